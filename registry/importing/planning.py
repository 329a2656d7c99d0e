"""What an import changes, and the change itself: all of it in one transaction, or nothing."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from kernel import actor as actors
from kernel import clock
from kernel.actor import Actor
from kernel.catalogue import CatalogueError
from kernel.problems import Conflict, Invalid, Issue, Problem
from kernel.versions import Version

from registry import catalogue, compatibility, contracts, validation
from registry.compatibility import Difference
from registry.importing import writing
from registry.importing.drafts import Draft, Imported, Skipped, Terms
from registry.importing.matching import Match, matched
from registry.importing.plans import Plan, Planned
from registry.models import Team, Tool, ToolVersion

__all__ = ["Plan", "Planned", "apply", "plan"]

FIRST = "1.0"
# What somebody here may have decided since: a document says it when the tool is made, never again.
_AT_FIRST = frozenset({"origin", "idempotent", "tags"})
_DEPRECATION = frozenset({"deprecated", "deprecation_message"})


def plan(imported: Imported, team: Team, terms: Terms | None = None) -> Plan:
    """What `apply` would do. Reads only."""
    terms = terms or Terms()
    matches, taken = matched(imported, team)
    planned: list[Planned] = []
    skipped = [*imported.skipped, *taken]
    numbers = _numbers([match.tool for match in matches if match.tool])
    with clock.operation():
        for match in matches:
            try:
                planned.append(_planned(match, team, terms, numbers))
            except CatalogueError as error:
                skipped.append(_refused(match.draft, error.issues))
            except Problem as problem:
                told = problem.errors or (Issue("", problem.detail),)
                skipped.append(_refused(match.draft, told))
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
        with clock.operation(), transaction.atomic(), actors.acting(by):
            made = plan(imported, team, terms)
            if seen and seen != made.digest:
                raise Conflict("The registry changed since this preview. Look at it again.")
            writing.write(made.planned, by)
    except IntegrityError as error:
        raise Conflict("Another import wrote the same tools just now. Try again.") from error
    return made


def _refused(draft: Draft, issues: tuple[Issue, ...]) -> Skipped:
    told = "; ".join(f"{issue.pointer or '/'}: {issue.message}" for issue in issues[:3])
    return Skipped(draft.place, draft.name, f"the registry doesn't take its entry: {told}")


def _planned(match: Match, team: Team, terms: Terms, numbers: Mapping[Any, set[int]]) -> Planned:
    draft, tool = match.draft, match.tool
    live = tool.live_version if tool else None
    entry = _updated(tool, draft.entry) if tool else _created(draft.entry, team, terms)
    why = draft.unready
    if tool is not None and live is not None and "executor" not in draft.entry:
        # How it is called is known already, and stays.
        why = ""
    document = _document(entry, team)
    faults = (*catalogue.missing_permissions(entry), *validation.faults(document))
    if faults:
        raise Invalid("", errors=faults)
    differences = compatibility.compare(live.contract, document) if live else ()
    taken = numbers.get(tool.id, set()) if tool else set()
    number = _number(taken, live, differences, entry["version"])
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
        tool,
        team,
        document | {"version": number},
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


def _document(entry: Mapping[str, Any], team: Team) -> dict[str, Any]:
    """The contract that the entry would be published as. Raises what writing it would raise."""
    row = Tool(name=entry["name"], **catalogue.values_of(entry, team))
    return contracts.document_of(row, entry["permissions_required"])


def _numbers(tools: list[Tool]) -> Mapping[Any, set[int]]:
    """The numbers that the tools' versions have, as sort keys."""
    found: dict[Any, set[int]] = defaultdict(set)
    rows = ToolVersion.objects.filter(tool__in=tools).values_list("tool_id", "sort_key")
    for tool_id, key in rows:
        found[tool_id].add(key)
    return found


def _number(
    taken: set[int], live: ToolVersion | None, differences: tuple[Difference, ...], said: str
) -> str:
    """The lowest free number that tells the truth about the differences; `said` if it does."""
    if live is None:
        return said
    if not differences:
        return live.version
    lowest = compatibility.required_number(live.version, differences)
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
