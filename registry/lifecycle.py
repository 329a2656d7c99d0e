"""A published tool's way out: deprecated, sunset, removed from discovery; never from history.

    published -> deprecated (message, replacement, sunset date) -> sunset (410) -> removed
        ^------------ undo -------------|-------------------------|     restore <---|

Single versions can be retired too, by range, while the tool goes on: people give up a major line,
seldom a whole tool. Neither touches a published contract.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from kernel import acts, clock
from kernel.problems import Conflict, Invalid, Issue

from registry import discovery, notices, selection
from registry.models import Tool

MAX_MESSAGE = 2_000
_FIELDS = ("deprecated", "deprecated_at", "deprecation_message", "replacement_id", "sunset_at")


class Unconfirmed(Conflict):
    """The act takes effect at once and may hit somebody: it is done when asked again, confirmed."""

    reason, title = "confirmation_needed", "Say that you mean it"


def stage(tool: Tool, at: datetime | None = None) -> str:
    """Where the tool stands: draft, published, deprecated, sunset or removed."""
    if tool.removed_at is not None:
        return "removed"
    if tool.live_version_id is None:
        return "draft"
    if notices.is_sunset(tool, at):
        return "sunset"
    return "deprecated" if tool.deprecated else "published"


def deprecate(
    tool: Tool,
    *,
    message: str = "",
    replacement: Tool | None = None,
    sunset_at: datetime | None = None,
    confirmed: bool = False,
) -> None:
    """Tell callers to go elsewhere; again with other words, to tell them otherwise.

    Raises Invalid with the place of each fault, Unconfirmed where the sunset isn't in the future.
    """
    faults = list(_faults_of_message(message))
    if tool.live_version_id is None:
        faults.append(Issue("", "it isn't published, so nobody calls it: delete the draft instead"))
    if replacement is not None:
        faults += _faults_of_replacement(tool, replacement)
    _refuse(tool, faults)
    _confirm(tool, sunset_at, confirmed)
    tool.deprecated, tool.deprecation_message = True, message
    tool.replacement, tool.sunset_at = replacement, sunset_at
    tool.deprecated_at = tool.deprecated_at or clock.now()
    _save(
        tool,
        "tool.deprecated",
        message=message,
        replacement=replacement.name if replacement else None,
        sunset_at=sunset_at.isoformat() if sunset_at else None,
    )


def set_sunset(tool: Tool, at: datetime | None, *, confirmed: bool = False) -> None:
    """Say when calls end, or with None that there is no date. Raises Invalid, Unconfirmed."""
    if not tool.deprecated:
        _refuse(tool, [Issue("/sunset_at", "deprecate it first, with a message and a replacement")])
    _confirm(tool, at, confirmed)
    tool.sunset_at = at
    _save(tool, "tool.sunset_set", sunset_at=at.isoformat() if at else None)


def undo(tool: Tool) -> None:
    """Take the deprecation back, with its sunset: calls are answered as before. Raises Conflict."""
    if tool.removed_at is not None:
        raise Conflict(f"Tool {tool.name!r} is removed. Restore it first.")
    if not tool.deprecated and tool.sunset_at is None:
        raise Conflict(f"Tool {tool.name!r} isn't deprecated: there is nothing to undo.")
    tool.deprecated, tool.deprecated_at, tool.deprecation_message = False, None, ""
    tool.replacement, tool.sunset_at = None, None
    _save(tool, "tool.undeprecated")


def remove(tool: Tool) -> None:
    """List it nowhere any more. Its versions, calls and history stay. Raises Conflict."""
    if tool.removed_at is not None:
        raise Conflict(f"Tool {tool.name!r} is removed already.")
    if stage(tool) != "sunset":
        raise Conflict(
            f"Tool {tool.name!r} is still called: only a tool whose sunset has passed can be "
            "removed. Deprecate it with a sunset date first."
        )
    tool.removed_at = clock.now()
    _save(tool, "tool.removed")


def restore(tool: Tool) -> None:
    """List it again, as what it was: a sunset tool. Raises Conflict."""
    if tool.removed_at is None:
        raise Conflict(f"Tool {tool.name!r} isn't removed.")
    tool.removed_at = None
    _save(tool, "tool.restored")


def retire(
    tool: Tool,
    versions: str,
    *,
    message: str = "",
    sunset_at: datetime | None = None,
    confirmed: bool = False,
) -> None:
    """Deprecate the versions of a range (`1.x`, `<2`), with an end if one is given; the tool goes
    on. Raises Invalid, Unconfirmed."""
    _refuse(tool, [*_faults_of_message(message), *_faults_of_versions(tool, versions)])
    _confirm(tool, sunset_at, confirmed)
    known: dict[str, Any] = next(
        (each for each in tool.retired if each["versions"] == versions), {}
    )
    told: dict[str, Any] = {
        "versions": versions,
        "message": message,
        "since": known.get("since") or clock.now().isoformat(),
        "sunset_at": sunset_at.isoformat() if sunset_at else None,
    }
    tool.retired = [each for each in tool.retired if each["versions"] != versions] + [told]
    _save(tool, "tool.version_retired", versions=versions, sunset_at=told["sunset_at"])


def reinstate(tool: Tool, versions: str) -> None:
    """Take back what `retire` said of exactly this range. Raises Conflict."""
    kept = [each for each in tool.retired if each["versions"] != versions]
    if len(kept) == len(tool.retired):
        known = ", ".join(each["versions"] for each in tool.retired) or "none"
        raise Conflict(f"Tool {tool.name!r} has not retired {versions!r}; retired are: {known}.")
    tool.retired = kept
    _save(tool, "tool.version_reinstated", versions=versions)


def standing(tool: Tool) -> tuple[Any, ...]:
    """What an entry says of the tool's lifecycle, to tell later whether it changed."""
    return tuple(getattr(tool, field) for field in _FIELDS)


def declared(tool: Tool, before: tuple[Any, ...]) -> None:
    """An entry that was written otherwise (a catalogue, a form) said something else of the
    lifecycle than `before`: the same rules, and the same record. Raises Invalid."""
    if standing(tool) == before:
        return
    faults = list(_faults_of_message(tool.deprecation_message))
    if tool.replacement is not None:
        faults += _faults_of_replacement(tool, tool.replacement)
    if tool.sunset_at is not None and not tool.deprecated:
        faults.append(Issue("/sunset_at", "only a deprecated tool ends: write deprecated: true"))
    _refuse(tool, faults)
    if not tool.deprecated:
        tool.deprecated_at = None
        _save(tool, "tool.undeprecated")
        return
    tool.deprecated_at = tool.deprecated_at or clock.now()
    _save(
        tool,
        "tool.deprecated",
        message=tool.deprecation_message,
        replacement=tool.replacement.name if tool.replacement else None,
        sunset_at=tool.sunset_at.isoformat() if tool.sunset_at else None,
    )


def _save(tool: Tool, event: str, **data: Any) -> None:
    with transaction.atomic():
        tool.save()
        discovery.refresh(tool)
        acts.record(
            event,
            target_kind="tool",
            target_id=tool.id,
            target_name=tool.name,
            team_id=tool.team_id,
            **data,
        )


def _confirm(tool: Tool, sunset_at: datetime | None, confirmed: bool) -> None:
    if sunset_at is not None and sunset_at <= clock.now() and not confirmed:
        raise Unconfirmed(
            f"The sunset {sunset_at:%Y-%m-%d %H:%M} is not in the future: calls of {tool.name!r} "
            "end at once. See who is hit, and confirm.",
            errors=(Issue("/sunset_at", "not in the future"),),
        )


def _refuse(tool: Tool, faults: list[Issue]) -> None:
    if faults:
        said = "; ".join(each.message for each in faults)
        raise Invalid(
            f"The lifecycle of {tool.name!r} can't be that: {said}.", errors=tuple(faults)
        )


def _faults_of_message(message: str) -> list[Issue]:
    if len(message) > MAX_MESSAGE:
        return [Issue("/message", f"at most {MAX_MESSAGE} characters")]
    return []


def _faults_of_replacement(tool: Tool, replacement: Tool) -> list[Issue]:
    place, name = "/replacement", replacement.name
    if replacement.live_version_id is None:
        return [Issue(place, f"{name} isn't published")]
    if replacement.removed_at is not None or notices.is_sunset(replacement):
        return [Issue(place, f"{name} is past its sunset itself")]
    if tool.is_shared and not replacement.is_shared:
        return [Issue(place, f"{name} isn't shared: other teams' agents can't see it")]
    seen = {tool.pk}
    step: Tool | None = replacement
    while step is not None:
        if step.pk in seen:
            return [Issue(place, f"{name} leads back to {tool.name}: nobody would arrive")]
        seen.add(step.pk)
        step = step.replacement
    return []


def _faults_of_versions(tool: Tool, versions: str) -> list[Issue]:
    place = "/versions"
    try:
        meant = selection.parse(versions)
    except selection.SelectorError as error:
        return [Issue(place, str(error))]
    if meant.kind not in ("number", "range"):
        return [Issue(place, "write a version or a range: aliases move")]
    live = tool.live_version
    if live is not None and meant.admits(live.sort_key):
        message = f"the live version {live.version} is within: deprecate the tool instead"
        return [Issue(place, message)]
    if meant.highest(tool.versions.values_list("sort_key", flat=True)) is None:
        return [Issue(place, "no published version is within")]
    return []
