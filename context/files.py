"""Files as they are, and as they were at any rev."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from kernel.problems import Invalid, Issue, NotFound

from context import reads
from context.models import File, FileVersion, Project
from context.words import sentence


@dataclass(frozen=True)
class Entry:
    """One file of a listing; `size` in bytes, `modified_by` empty since the import."""

    path: str
    version: int
    mode: str
    sha256: str
    size: int
    modified_by: str
    rev: int


def read(
    project_id: UUID,
    path: str,
    *,
    at_rev: int | None = None,
    reader_id: UUID | None = None,
) -> tuple[FileVersion, bytes]:
    """The file's version and content, now or at a past rev.

    With a reader the read ledger notes what was seen, that a file is gone included.
    Raises NotFound where the path holds no file, Invalid for a rev that doesn't exist yet.
    """
    rev = current_rev(project_id, at_rev)
    rows = FileVersion.objects.filter(project_id=project_id, path=path)
    found = rows.filter(rev__lte=rev).select_related("blob").order_by("-rev").first()
    if found is not None and reader_id is not None:
        reads.note(project_id, reader_id, path, version=found.version, rev=rev)
    if found is None or found.blob is None:
        raise NotFound(_no_file(path, rev, found))
    return found, bytes(found.blob.content)


def _no_file(path: str, rev: int, tombstone: FileVersion | None) -> str:
    if tombstone is None:
        return f"There is no file {path!r} at rev {rev}. List the project's files to see its paths."
    return f"{path!r} was deleted in rev {tombstone.rev}; its versions before that can be read."


def current_rev(project_id: UUID, at_rev: int | None = None) -> int:
    """The project's rev, or `at_rev` once it is known to exist. Raises Invalid and NotFound."""
    rev = Project.objects.filter(id=project_id).values_list("rev", flat=True).first()
    if rev is None:
        raise NotFound("There is no such project.")
    if at_rev is None:
        return int(rev)
    if not 0 <= at_rev <= rev:
        message = f"rev {at_rev} doesn't exist: the project is at rev {rev}"
        raise Invalid(sentence(message), errors=(Issue("/at_rev", message),))
    return at_rev


def listing(project_id: UUID, *, at_rev: int | None = None, prefix: str = "") -> list[Entry]:
    """The project's files by path, now or at a past rev. `prefix` narrows by the path's start."""
    if at_rev is None:
        return [_entry(row) for row in _now(project_id, prefix) if row[0].startswith(prefix)]
    rev = current_rev(project_id, at_rev)
    rows = list(_now(project_id, prefix))
    # Rows and rev come from one statement: nobody can have changed the project in between.
    if not rows or rows[0][7] != rev:
        rows = list(_past(project_id, rev, prefix))
    return sorted((_entry(row) for row in rows if row[0].startswith(prefix)), key=_by_path)


_COLUMNS = ("path", "version", "mode", "blob_id", "blob__size", "modified_by", "rev")


def _now(project_id: UUID, prefix: str) -> QuerySet[Any, Any]:
    rows = File.objects.filter(project_id=project_id, path__startswith=prefix)
    return rows.order_by("path").values_list(*_COLUMNS, "project__rev")


def _past(project_id: UUID, rev: int, prefix: str) -> QuerySet[Any, Any]:
    """Each path's greatest rev that isn't beyond `rev`: one index look-up for each path there was,
    however many versions it has."""
    newest = FileVersion.objects.filter(
        project_id=project_id, path=OuterRef("path"), rev__lte=rev
    ).order_by("-rev")
    paths = FileVersion.objects.filter(
        project_id=project_id, version=1, rev__lte=rev, path__startswith=prefix
    )
    held = paths.annotate(held=Subquery(newest.values("id")[:1])).values("held")
    return FileVersion.objects.filter(id__in=held, blob__isnull=False).values_list(*_COLUMNS)


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(*row[:7])


def _by_path(entry: Entry) -> str:
    return entry.path
