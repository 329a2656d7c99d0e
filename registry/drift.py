"""Drift: an upstream tool whose definition changed after it was approved is quarantined.

A server can change what a tool says of itself after people have read it ("rug pull"). So every
definition has a fingerprint, the approved one is kept, and where a list shows another one the
tools made of it are refused until a person has read the difference.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from kernel import acts, canonical, clock
from kernel.actor import Actor
from kernel.schemas import pointer

from registry.models import Tool, UpstreamServer, UpstreamTool

FINGERPRINTED = ("title", "description", "inputSchema", "outputSchema", "annotations")
MAX_DIFFERENCES = 50
MAX_SHOWN = 500
BASELINE = "system:first sight"


def fingerprint(definition: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of what a definition tells agents and what it takes."""
    return canonical.digest({name: definition.get(name) for name in FINGERPRINTED})


@dataclass(frozen=True)
class Observation:
    """What a list of tools showed, by their names. `quarantined` are names of our tools."""

    tools: int = 0
    new: tuple[str, ...] = ()
    drifted: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "tools": self.tools,
            "new": list(self.new),
            "drifted": list(self.drifted),
            "gone": list(self.gone),
            "quarantined": list(self.quarantined),
        }


@dataclass
class _Seen:
    """An observation in the making."""

    new: list[str] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)


def observe(server: UpstreamServer, definitions: Sequence[Mapping[str, Any]]) -> Observation:
    """Compare a server's whole list with what was approved, and quarantine what drifted.

    1. what nobody has seen is new, and approves nothing;
    2. a published tool that has no approval yet is approved as its definition was first seen;
    3. a definition unlike the approved one quarantines every tool that was made of it;
    4. what the list doesn't hold any more is gone.
    """
    at, found = clock.now(), _Seen()
    with transaction.atomic():
        UpstreamServer.objects.select_for_update().filter(id=server.id).first()
        rows = {row.name: row for row in UpstreamTool.objects.filter(server=server)}
        offered = tools_on(server)
        for definition in definitions:
            name = str(definition["name"])
            row = rows.pop(name, None) or _fresh(server, name, found)
            _see(row, definition, at, is_offered=name in offered)
            row.save()
            if row.is_drifted:
                found.drifted.append(name)
                found.quarantined += quarantine(row, offered.get(name, ()))
        for row in rows.values():
            _miss(row, at, found)
    return Observation(
        len(definitions),
        *(tuple(each) for each in (found.new, found.drifted, found.gone, found.quarantined)),
    )


def _fresh(server: UpstreamServer, name: str, found: _Seen) -> UpstreamTool:
    found.new.append(name)
    return UpstreamTool(server=server, name=name)


def _see(
    row: UpstreamTool, definition: Mapping[str, Any], at: datetime, *, is_offered: bool
) -> None:
    print_ = fingerprint(definition)
    if is_offered and not row.approved_fingerprint:
        # Who made the tool had the definition before them that was seen then.
        _approve(row, row.seen or dict(definition), by=BASELINE, at=at)
    if row.seen_fingerprint and print_ != row.seen_fingerprint:
        _told("upstream_tool.changed", row, fingerprint=print_)
    row.seen, row.seen_fingerprint = dict(definition), print_
    row.seen_at, row.gone_at = at, None


def _miss(row: UpstreamTool, at: datetime, found: _Seen) -> None:
    found.gone.append(row.name)
    if row.gone_at is None:
        row.gone_at = at
        row.save(update_fields=["gone_at"])
        _told("upstream_tool.gone", row)


def _approve(row: UpstreamTool, definition: Mapping[str, Any], *, by: str, at: datetime) -> None:
    row.approved, row.approved_fingerprint = dict(definition), fingerprint(definition)
    row.approved_by, row.approved_at = by, at


def approve(server: UpstreamServer, definitions: Iterable[Mapping[str, Any]], *, by: Actor) -> None:
    """Record that these definitions are what tools were just made of; call it in the transaction
    of an import."""
    at = clock.now()
    for definition in definitions:
        name = str(definition["name"])
        row = UpstreamTool.objects.filter(server=server, name=name).first()
        row = row or UpstreamTool(server=server, name=name)
        if not row.seen_fingerprint:
            row.seen, row.seen_fingerprint = dict(definition), fingerprint(definition)
        _approve(row, definition, by=by.reference, at=at)
        row.save()


def approve_first(server: UpstreamServer, definition: Mapping[str, Any]) -> None:
    """Take the definition as approved where none is yet: a tool was published and called before
    anybody had looked at its server. Another one that was approved meanwhile stays."""
    at = clock.now()
    with transaction.atomic():
        UpstreamServer.objects.select_for_update().filter(id=server.id).first()
        row = UpstreamTool.objects.filter(server=server, name=definition["name"]).first()
        row = row or UpstreamTool(server=server, name=str(definition["name"]))
        if not row.approved_fingerprint:
            _see(row, definition, at, is_offered=True)
            row.save()


def tools_on(server: UpstreamServer) -> dict[str, list[Tool]]:
    """The published tools that are made of this server's, by their names there."""
    rows = Tool.objects.select_related("live_version", "team").filter(
        live_version__contract__executor="mcp",
        live_version__contract__executor_config__server=server.name,
    )
    found = defaultdict(list)
    for tool in rows:
        assert tool.live_version is not None  # noqa: S101 - the filter says so
        config = tool.live_version.contract["executor_config"]
        found[str(config.get("tool") or tool.name)].append(tool)
    return dict(found)


def quarantine(row: UpstreamTool, tools: Iterable[Tool]) -> list[str]:
    """Refuse calls of these tools until somebody decides; returns the names of those that were
    not refused before."""
    reason = (
        f"Tool {row.name} of server {row.server} isn't as it was approved: "
        f"{', '.join(changed(row))} changed."
    )
    fresh = []
    for tool in tools:
        if tool.quarantine_reason == reason:
            continue
        if tool.quarantined_at is None:
            fresh.append(tool.name)
        tool.quarantined_at, tool.quarantine_reason = clock.now(), reason
        tool.save(update_fields=["quarantined_at", "quarantine_reason"])
        acts.record(
            "tool.quarantined",
            target_kind="tool",
            target_id=tool.id,
            target_name=tool.name,
            team_id=tool.team_id,
            reason=reason,
            approved=row.approved_fingerprint,
            seen=row.seen_fingerprint,
        )
    return fresh


def changed(row: UpstreamTool) -> list[str]:
    """Which parts of the definition differ from the approved ones."""
    approved = row.approved or {}
    return [name for name in FINGERPRINTED if row.seen.get(name) != approved.get(name)]


def _told(event: str, row: UpstreamTool, **data: Any) -> None:
    acts.record(
        event,
        target_kind="upstream_tool",
        target_id=row.id,
        target_name=str(row),
        team_id=row.server.team_id,
        **data,
    )


def differences(row: UpstreamTool) -> list[dict[str, Any]]:
    """Where the seen definition differs from the approved one: `{pointer, before, after}`, bounded
    in number and length, because a server wrote it."""
    before, after = _told_parts(row.approved or {}), _told_parts(row.seen)
    found: list[dict[str, Any]] = []
    for place, one, other in _walk(before, after, []):
        if len(found) == MAX_DIFFERENCES:
            found.append({"pointer": "", "before": "…", "after": "more than can be shown here"})
            break
        found.append({"pointer": pointer(place), "before": _short(one), "after": _short(other)})
    return found


def _told_parts(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {name: definition[name] for name in FINGERPRINTED if definition.get(name) is not None}


def _walk(
    one: Any, other: Any, path: list[str | int]
) -> Iterator[tuple[list[str | int], Any, Any]]:
    if one == other and isinstance(one, bool) == isinstance(other, bool):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from _walk(one.get(name), other.get(name), [*path, name])
    else:
        yield path, one, other


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else canonical.encode(value).decode()
    if len(text) <= MAX_SHOWN:
        return value
    return f"{text[:MAX_SHOWN]}… ({len(text)} characters)"


def diff_of(tool: Tool) -> list[dict[str, Any]]:
    """The differences for which a tool is quarantined; empty for another reason."""
    version = tool.live_version
    config = version.contract["executor_config"] if version is not None else tool.executor_config
    row = (
        UpstreamTool.objects.select_related("server")
        .filter(server__name=config.get("server"), name=config.get("tool") or tool.name)
        .first()
    )
    return differences(row) if row is not None else []
