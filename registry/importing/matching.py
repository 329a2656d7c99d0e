"""Which tool of the registry a draft is about, and which names an import may not take."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.importing import names
from registry.importing.drafts import Draft, Imported, Skipped
from registry.models import Team, Tool


@dataclass(frozen=True)
class Match:
    """A draft, under the name that it gets here, and the tool that it updates."""

    draft: Draft
    tool: Tool | None


def matched(imported: Imported, team: Team) -> tuple[list[Match], list[Skipped]]:
    """Each draft with its tool: the one that an earlier import of the same source made, whatever
    its name is now; else the team's own of the same name that nobody imported. A name that
    somebody else's tool has is skipped, and so is a removed tool."""
    known = _made_before(imported)
    mine = [known.get(_origin(draft)) or known.get(_origin(draft)[:1]) for draft in imported.drafts]
    taken = {tool.name for tool in mine if tool is not None}
    drafts = []
    for draft, tool in zip(imported.drafts, mine, strict=True):
        name = tool.name if tool else names.apart(draft.name, str(_origin(draft)), taken)
        taken.add(name)
        drafts.append(_named(draft, name))
    rows = Tool.objects.select_related("team", "live_version", "replacement")
    rows = rows.prefetch_related("permissions_required")
    there = {row.name: row for row in rows.filter(name__in=[draft.name for draft in drafts])}
    found, skipped = [], []
    for draft in drafts:
        row = there.get(draft.name)
        reason = _refusal(row, imported, team) if row else ""
        if reason:
            skipped.append(Skipped(draft.place, draft.entry["origin"]["name"], reason))
        else:
            found.append(Match(draft, row))
    return found, skipped


def _origin(draft: Draft) -> tuple[str, ...]:
    origin = draft.entry["origin"]
    return (str(origin["name"]), str(origin.get("place", "")))


def _made_before(imported: Imported) -> Mapping[tuple[str, ...], Tool]:
    """Tools of the same source by own name and place, and by own name where that is enough."""
    if not imported.source:
        return {}
    rows = Tool.objects.filter(origin__kind=imported.kind, origin__source=imported.source)
    found: dict[tuple[str, ...], Tool] = {}
    by_name: dict[str, list[Tool]] = defaultdict(list)
    for row in rows:
        own, place = str(row.origin.get("name", "")), str(row.origin.get("place", ""))
        found[own, place] = row
        by_name[own].append(row)
    drafted: dict[str, int] = defaultdict(int)
    for draft in imported.drafts:
        drafted[_origin(draft)[0]] += 1
    alone = {(own,): held[0] for own, held in by_name.items() if len(held) == drafted[own] == 1}
    return found | alone


def _named(draft: Draft, name: str) -> Draft:
    return replace(draft, entry=dict(draft.entry) | {"name": name})


def _refusal(row: Tool, imported: Imported, team: Team) -> str:
    """Why an import may not write this tool; empty when it may."""
    if row.team_id != team.id:
        return f"the name {row.name!r} belongs to team {row.team.name}: import with a prefix"
    if row.removed_at is not None:
        return f"the tool {row.name!r} was removed: restore it first, or import with a prefix"
    origin: dict[str, Any] = row.origin
    if origin and (origin.get("kind"), origin.get("source")) != (imported.kind, imported.source):
        made = f"{origin.get('kind')} {origin.get('source')!r}"
        return f"the tool {row.name!r} was imported from {made}: import with a prefix"
    return ""
