"""What is there now at the paths that a changeset touches."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from context.models import File, FileVersion

BATCH = 500


@dataclass(frozen=True)
class State:
    """A path as it is now. `version` is its latest, also a deletion's; 0 where none ever was."""

    path: str
    version: int = 0
    rev: int = 0
    sha256: str | None = None
    mode: str = ""
    modified_by: str = ""

    @property
    def exists(self) -> bool:
        return self.sha256 is not None


def load(project_id: UUID, paths: Iterable[str]) -> dict[str, State]:
    """The state of each of these paths. Call it with the project's row locked."""
    wanted = sorted(paths)
    found: dict[str, State] = {}
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        found.update(_present(project_id, part))
        absent = [path for path in part if path not in found]
        found.update(_absent(project_id, absent))
    return found


def _present(project_id: UUID, paths: list[str]) -> dict[str, State]:
    rows = File.objects.filter(project_id=project_id, path__in=paths).values_list(
        "path", "version", "rev", "blob_id", "mode", "modified_by"
    )
    return {row[0]: State(*row) for row in rows}


def _absent(project_id: UUID, paths: list[str]) -> dict[str, State]:
    """Paths without a file, with the deletion that made them so where there was one."""
    states = {path: State(path) for path in paths}
    if not paths:
        return states
    rows = FileVersion.objects.filter(project_id=project_id, path__in=paths).order_by("rev")
    for path, version, rev in rows.values_list("path", "version", "rev"):
        states[path] = State(path, version, rev)
    return states
