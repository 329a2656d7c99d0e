"""The read ledger: who last saw which version of which file.

A reader is a run, or an actor outside of any run. Parallel steps of one run share its marks, so a
step that must not overwrite its siblings sends `base_rev` or an expected version.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, Max, OuterRef, Q, Subquery
from kernel import clock
from kernel.actor import Actor

from context.models import FileVersion, ReadMark

BATCH = 500


@dataclass(frozen=True)
class Stale:
    """A file that moved on after its reader saw it; `now_version` may be its deletion."""

    project: str
    path: str
    read_version: int
    now_version: int
    modified_by: str
    rev: int


def reader(by: Actor, run_id: UUID | None) -> UUID | None:
    """Who reads: the run, or the actor outside of any run; the platform itself keeps no ledger."""
    return run_id or by.id


def note(project_id: UUID, reader_id: UUID, path: str, *, version: int, rev: int) -> None:
    """The reader has seen this version. What it knows never goes back to an older one."""
    mark = ReadMark.objects.filter(project_id=project_id, path=path, reader_id=reader_id)
    known = mark.values_list("version", flat=True).first()
    if known is not None and known >= version:
        return
    if known is None:
        note_all(project_id, reader_id, {path: version}, rev=rev)
        return
    mark.filter(version__lt=version).update(version=version, rev=rev, read_at=clock.now())


def note_all(project_id: UUID, reader_id: UUID, versions: Mapping[str, int], *, rev: int) -> None:
    """The reader has seen these versions: {path: version}, none older than what it knew."""
    now = clock.now()
    rows = [
        ReadMark(
            project_id=project_id,
            path=path,
            reader_id=reader_id,
            version=version,
            rev=rev,
            read_at=now,
        )
        for path, version in sorted(versions.items())
    ]
    ReadMark.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["project", "path", "reader_id"],
        update_fields=["version", "rev", "read_at"],
    )


def seen(project_id: UUID, reader_id: UUID | None, paths: Iterable[str]) -> dict[str, int]:
    """The versions of these paths that the reader last saw; a path never read is missing."""
    found: dict[str, int] = {}
    wanted = list(paths)
    if reader_id is None:
        return found
    rows = ReadMark.objects.filter(project_id=project_id, reader_id=reader_id)
    for start in range(0, len(wanted), BATCH):
        part = rows.filter(path__in=wanted[start : start + BATCH])
        found.update(part.values_list("path", "version"))
    return found


def last_rev(project_id: UUID, reader_id: UUID | None) -> int:
    """The newest rev at which the reader saw anything of the project; 0 before its first read."""
    if reader_id is None:
        return 0
    rows = ReadMark.objects.filter(project_id=project_id, reader_id=reader_id)
    return rows.aggregate(rev=Max("rev"))["rev"] or 0


def stale(reader_id: UUID, *, project_id: UUID | None = None) -> list[Stale]:
    """What the reader has seen and somebody has changed since, by project and path."""
    newest = FileVersion.objects.filter(project_id=OuterRef("project_id"), path=OuterRef("path"))
    scope = (
        Q(reader_id=reader_id)
        if project_id is None
        else Q(reader_id=reader_id, project_id=project_id)
    )
    marks = (
        ReadMark.objects.filter(scope)
        .annotate(now_version=Subquery(newest.order_by("-rev").values("version")[:1]))
        .filter(now_version__gt=F("version"))
        .select_related("project")
        .order_by("project__name", "path")
    )
    return [_stale(mark) for mark in marks]


def _stale(mark: ReadMark) -> Stale:
    now = FileVersion.objects.select_related("changeset").get(
        project_id=mark.project_id,
        path=mark.path,
        version=mark.now_version,  # type: ignore[attr-defined]
    )
    return Stale(
        project=mark.project.name,
        path=mark.path,
        read_version=mark.version,
        now_version=now.version,
        modified_by=now.changeset.actor_name,
        rev=now.rev,
    )
