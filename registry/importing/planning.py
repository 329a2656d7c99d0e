"""What an import changes, and the change itself: all of it in one transaction, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from django.db import IntegrityError, transaction
from kernel import actor as actors
from kernel import canonical
from kernel.actor import Actor
from kernel.catalogue import CatalogueError
from kernel.problems import Conflict, Invalid, Issue, Problem
from kernel.versions import Version

from registry import catalogue, compatibility, contracts, publishing, validation
from registry.compatibility import Difference
from registry.importing.drafts import Draft, Imported, Skipped, Terms
from registry.importing.matching import Match, matched
from registry.models import Team, Tool, ToolVersion

Act = Literal["create", "update", "unchanged"]
FIRST = "1.0"
# What somebody here may have decided since: a document says it when the tool is made, never again.
_AT_FIRST = frozenset({"origin", "idempotent", "tags"})
_DEPRECATION = frozenset({"deprecated", "deprecation_message"})


@dataclass(frozen=True)
class Planned:
    """What happens to one tool: its whole entry afterwards, and how that differs from the live
    version. `draft` says why it isn't published; empty when it is."""

    act: Act
    name: str
    place: str
    entry: Mapping[str, Any]
    number: str
    live: str | None = None
    differences: tuple[Difference, ...] = ()
    draft: str = ""
    secrets: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "act": self.act,
            "name": self.name,
            "own_name": self.entry.get("origin", {}).get("name", self.name),
            "place": self.place,
            "version": self.number,
            "live_version": self.live,
            "published": not self.draft,
            "draft_because": self.draft,
            "secrets": list(self.secrets),
            "differences": [each.as_json() for each in self.differences],
        }


@dataclass(frozen=True)
class Plan:
    """What an import does. `gone` names tools that an earlier import of the same source made and
    that it doesn't hold any more: they stay until somebody deprecates them."""

    planned: tuple[Planned, ...]
    skipped: tuple[Skipped, ...] = ()
    gone: tuple[str, ...] = ()
    kind: str = ""
    source: str = ""

    def of(self, act: Act) -> tuple[Planned, ...]:
        return tuple(each for each in self.planned if each.act == act)

    @property
    def digest(self) -> str:
        """Over what would be written: what was looked at is what is applied."""
        return canonical.digest([[e.act, e.name, e.number, dict(e.entry)] for e in self.planned])

    def as_json(self) -> dict[str, Any]:
        acts: tuple[Act, ...] = ("create", "update", "unchanged")
        return {
            "format": self.kind,
            "source": self.source,
            "counts": {act: len(self.of(act)) for act in acts} | {"skipped": len(self.skipped)},
            "tools": [each.as_json() for each in self.planned],
            "skipped": [each.as_json() for each in self.skipped],
            "gone": list(self.gone),
            "digest": self.digest,
        }


def plan(imported: Imported, team: Team, terms: Terms | None = None) -> Plan:
    """What `apply` would do. Reads only."""
    terms = terms or Terms()
    matches, taken = matched(imported, team)
    planned: list[Planned] = []
    skipped = [*imported.skipped, *taken]
    for match in matches:
        try:
            planned.append(_planned(match, team, terms))
        except CatalogueError as error:
            skipped.append(_refused(match.draft, error.issues))
        except Problem as problem:
            skipped.append(_refused(match.draft, problem.errors or (Issue("", problem.detail),)))
    gone = () if terms.only else _gone(imported, team, skipped)
    return Plan(tuple(planned), tuple(skipped), gone, imported.kind, imported.source)


def apply(
    imported: Imported, team: Team, by: Actor, terms: Terms | None = None, *, seen: str = ""
) -> Plan:
    """Write what `plan` says, and publish what can be called; all or nothing, idempotent.

    `seen` is the digest of a plan that somebody looked at: when the registry has changed since,
    nothing is written (Conflict).
    """
    try:
        with transaction.atomic(), actors.acting(by):
            made = plan(imported, team, terms)
            if seen and seen != made.digest:
                raise Conflict("The registry changed since this preview. Look at it again.")
            for each in made.planned:
                _write(each, by)
    except IntegrityError as error:
        raise Conflict("Another import wrote the same tools just now. Try again.") from error
    return made


def _write(planned: Planned, by: Actor) -> None:
    if planned.act == "unchanged":
        return
    try:
        tool, _ = catalogue.write_tool(planned.entry)
        if not planned.draft:
            publishing.publish(tool, by=by.reference)
    except CatalogueError as error:
        raise _whole(planned, error.issues) from error
    except Problem as problem:
        raise _whole(planned, problem.errors or (Issue("", problem.detail),)) from problem


def _whole(planned: Planned, issues: tuple[Issue, ...]) -> Invalid:
    told = f"{planned.place or '/'}: tool {planned.name!r} can't be written; nothing was."
    return Invalid(told, errors=issues)


def _refused(draft: Draft, issues: tuple[Issue, ...]) -> Skipped:
    told = "; ".join(f"{issue.pointer or '/'}: {issue.message}" for issue in issues[:3])
    return Skipped(draft.place, draft.name, f"the registry doesn't take its entry: {told}")


def _planned(match: Match, team: Team, terms: Terms) -> Planned:
    draft, tool = match.draft, match.tool
    live = tool.live_version if tool else None
    entry = _updated(tool, draft.entry) if tool else _created(draft.entry, team, terms)
    why = draft.unready
    if tool is not None and live is not None and "executor" not in draft.entry:
        # How it is called is known already, and stays.
        why = ""
    document = _document(entry)
    faults = (*catalogue.missing_permissions(entry), *validation.faults(document))
    if faults:
        raise Invalid("", errors=faults)
    differences = compatibility.compare(live.contract, document) if live else ()
    number = _number(tool, live, differences, entry["version"])
    made = Planned(
        "create" if tool is None else "update",
        draft.name,
        draft.place,
        entry | {"version": number},
        number,
        live.version if live else None,
        differences,
        why,
        draft.secrets,
    )
    return replace(made, act="unchanged") if tool and _is_same(tool, made) else made


def _is_same(tool: Tool, made: Planned) -> bool:
    """Whether writing it would change nothing: neither the draft, nor what is live."""
    same = contracts.OPTIONAL | catalogue.entry_of(tool) == contracts.OPTIONAL | dict(made.entry)
    return same and (bool(made.draft) or (made.live is not None and not made.differences))


def _created(drafted: Mapping[str, Any], team: Team, terms: Terms) -> dict[str, Any]:
    return (
        {"executor": "http", "executor_config": {}}
        | dict(drafted)
        | {
            "owner": team.name,
            "version": FIRST,
            "permissions_required": list(terms.permissions),
            "shared": terms.shared,
        }
    )


def _updated(tool: Tool, drafted: Mapping[str, Any]) -> dict[str, Any]:
    """The tool's entry with what the document says over it. What only this registry knows stays:
    permissions, price, limits, and what its executor was told beyond the document."""
    before = catalogue.entry_of(tool)
    said = {key: value for key, value in drafted.items() if key not in _AT_FIRST}
    if not drafted.get("deprecated"):
        said = {key: value for key, value in said.items() if key not in _DEPRECATION}
    if "executor_config" in said and before["executor"] == said.get("executor"):
        said["executor_config"] = before["executor_config"] | said["executor_config"]
    if before["executor_config"].get("method") != said.get("executor_config", {}).get("method"):
        said |= {key: drafted[key] for key in ("idempotent",) if key in drafted}
    return before | said


def _document(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The contract that the entry would be published as. Raises what writing it would raise."""
    row = Tool(name=entry["name"], **catalogue.values_of(entry))
    # It was never saved, so it has no permissions to read.
    row.pk = None
    found = contracts.document_of(row)
    return found | {"permissions_required": sorted(entry["permissions_required"])}


def _number(
    tool: Tool | None, live: ToolVersion | None, differences: tuple[Difference, ...], said: str
) -> str:
    """The lowest free number that tells the truth about the differences; `said` if it does."""
    if tool is None or live is None:
        return said
    if not differences:
        return live.version
    lowest = compatibility.required_number(live.version, differences)
    taken = set(tool.versions.values_list("sort_key", flat=True))
    if Version.parse(said).key >= lowest.key and Version.parse(said).key not in taken:
        return said
    while lowest.key in taken:
        lowest = compatibility.required_number(lowest, differences)
    return str(lowest)


def _gone(imported: Imported, team: Team, skipped: list[Skipped]) -> tuple[str, ...]:
    if not imported.source:
        return ()
    held = {draft.entry["origin"]["name"] for draft in imported.drafts}
    held |= {each.name for each in skipped}
    rows = Tool.objects.filter(
        team=team,
        origin__kind=imported.kind,
        origin__source=imported.source,
        removed_at__isnull=True,
    )
    return tuple(row.name for row in rows if row.origin.get("name") not in held)
