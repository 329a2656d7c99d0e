"""Decisions: what was decided, and the closed table of what may become of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from kernel import ids
from kernel.problems import Conflict, Invalid, Issue

from context.models import Decision
from context.proposals import FIRST_STATUSES, DecisionEntry

MOVES: Final[Mapping[str, frozenset[str]]] = {
    "proposed": frozenset({"accepted", "rejected", "superseded"}),
    "accepted": frozenset({"implemented", "rejected", "superseded"}),
    "implemented": frozenset({"superseded"}),
    "rejected": frozenset(),
    "superseded": frozenset(),
}


class IllegalMove(Conflict):
    """409: the decision's status can't become that one; says which ones it can become."""


@dataclass(frozen=True)
class Planned:
    """One row of the decisions' history that a changeset will write."""

    key: UUID
    decided_at: datetime
    agent: str
    decision: str
    rationale: str
    status: str
    supersedes: UUID | None


def at(project_id: UUID, rev: int | None = None) -> list[Decision]:
    """The decisions as they stood at a rev (None: now), in the order in which they were made."""
    rows = Decision.objects.filter(project_id=project_id)
    if rev is not None:
        rows = rows.filter(rev__lte=rev)
    # A dict keeps the place of a key's first row and the value of its last.
    newest = {row.key: row for row in rows.order_by("rev", "id")}
    return list(newest.values())


def plan(
    project_id: UUID, entries: Sequence[DecisionEntry], *, writer: str, now: datetime
) -> list[Planned]:
    """The rows that these entries make. Call it with the project's row locked.

    An entry that moves a decision to the status it has makes no row. Raises Invalid for a key that
    names nothing here, IllegalMove for a move that the table doesn't hold.
    """
    known = _newest(project_id, entries)
    planned: list[Planned] = []
    for index, entry in enumerate(entries):
        place = f"/decisions/{index}"
        standing = known.get(entry.key) if entry.key else None
        if standing is None:
            planned.append(_new(entry, place, writer, now))
        elif standing.status != entry.status:
            planned.append(_moved(standing, entry.status, place, entry.rationale))
        if entry.supersedes is not None:
            planned.append(_superseded(known, entry.supersedes, place))
    return planned


def _newest(project_id: UUID, entries: Sequence[DecisionEntry]) -> dict[UUID, Decision]:
    keys = [key for entry in entries for key in (entry.key, entry.supersedes) if key]
    if not keys:
        return {}
    rows = Decision.objects.filter(key__in=keys).order_by("rev")
    newest = {row.key: row for row in rows}
    for index, entry in enumerate(entries):
        row = newest.get(entry.key) if entry.key else None
        if row is not None and row.project_id != project_id:
            raise _unknown(f"/decisions/{index}/key", row.key)
    return {key: row for key, row in newest.items() if row.project_id == project_id}


def _new(entry: DecisionEntry, place: str, writer: str, now: datetime) -> Planned:
    if not entry.decision.strip():
        raise _refused(f"{place}/decision", "say what was decided")
    if entry.status not in FIRST_STATUSES:
        known = ", ".join(sorted(FIRST_STATUSES))
        raise _refused(f"{place}/status", f"a new decision starts as one of {known}")
    return Planned(
        key=entry.key or ids.uuid7(),
        decided_at=entry.decided_at or now,
        agent=entry.agent or writer,
        decision=entry.decision,
        rationale=entry.rationale,
        status=entry.status,
        supersedes=entry.supersedes,
    )


def _moved(standing: Decision, status: str, place: str, rationale: str = "") -> Planned:
    allowed = sorted(MOVES[standing.status])
    if status not in allowed:
        known = f"It can become {' or '.join(allowed)}." if allowed else "It can't change any more."
        raise IllegalMove(
            f"The decision {str(standing)!r} is {standing.status} and can't become {status}. "
            f"{known}",
            errors=(Issue(f"{place}/status", f"{standing.status} can't become {status}"),),
            extra={"key": str(standing.key), "current": standing.status, "allowed": allowed},
        )
    return replace(_as_planned(standing), status=status, rationale=rationale or standing.rationale)


def _superseded(known: Mapping[UUID, Decision], key: UUID, place: str) -> Planned:
    standing = known.get(key)
    if standing is None:
        raise _unknown(f"{place}/supersedes", key)
    return _moved(standing, "superseded", place)


def _as_planned(row: Decision) -> Planned:
    return Planned(
        key=row.key,
        decided_at=row.decided_at,
        agent=row.agent,
        decision=row.decision,
        rationale=row.rationale,
        status=row.status,
        supersedes=row.supersedes,
    )


def _unknown(place: str, key: UUID) -> Invalid:
    return _refused(place, f"this project has no decision {key}")


def _refused(place: str, message: str) -> Invalid:
    return Invalid(f"{place}: {message}. Nothing was written.", errors=(Issue(place, message),))
