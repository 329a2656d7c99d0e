"""The change feed: what happened to a project after a rev, one entry a changeset."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from context.models import Changeset, Decision, FileVersion

MOST_CHANGES = 100
MOST_FILES = 500

Act = Literal["added", "modified", "deleted"]


@dataclass(frozen=True)
class FileEvent:
    path: str
    version: int
    act: Act


@dataclass(frozen=True)
class Change:
    """One changeset with what it did; `files_total` counts also those that aren't listed."""

    changeset: Changeset
    files: tuple[FileEvent, ...]
    files_total: int
    decisions: tuple[Decision, ...]


def since(project_id: UUID, rev: int, *, limit: int = MOST_CHANGES) -> list[Change]:
    """The changesets after `rev`, oldest first."""
    rows = Changeset.objects.filter(project_id=project_id, rev__gt=rev).order_by("rev")
    return describe(list(rows[:limit]))


def describe(changesets: Sequence[Changeset]) -> list[Change]:
    """These changesets with their files and decisions, in a fixed number of queries."""
    files = _files([row.id for row in changesets])
    decisions: dict[UUID, list[Decision]] = defaultdict(list)
    for decision in Decision.objects.filter(changeset__in=changesets).order_by("id"):
        decisions[decision.changeset_id].append(decision)
    return [
        Change(
            changeset=row,
            files=tuple(files[row.id][:MOST_FILES]),
            files_total=len(files[row.id]),
            decisions=tuple(decisions[row.id]),
        )
        for row in changesets
    ]


def _files(changeset_ids: Sequence[UUID]) -> dict[UUID, list[FileEvent]]:
    rows = FileVersion.objects.filter(changeset_id__in=changeset_ids).order_by("path")
    columns = ("changeset_id", "project_id", "path", "version", "blob_id")
    found = list(rows.values_list(*columns))
    deleted = _deleted({row[1] for row in found}, {row[2] for row in found if row[3] > 1})
    events: dict[UUID, list[FileEvent]] = defaultdict(list)
    for changeset_id, _, path, version, blob_id in found:
        fresh = version == 1 or (path, version - 1) in deleted
        act: Act = "deleted" if blob_id is None else "added" if fresh else "modified"
        events[changeset_id].append(FileEvent(path, version, act))
    return events


def _deleted(projects: set[UUID], paths: set[str]) -> set[tuple[str, int]]:
    """(path, version) of the deletions in these projects: what comes after one is new again."""
    if not paths:
        return set()
    rows = FileVersion.objects.filter(project_id__in=projects, blob__isnull=True)
    return {row for row in rows.values_list("path", "version") if row[0] in paths}
