"""The register of kinds that a catalogue (a folder of YAML) may hold.

Each app registers its own kinds; portal reads the folder and runs them in one transaction, in the
order of `rank`. `plan` tells what would change without changing it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kernel.problems import Issue

Act = Literal["create", "update", "publish", "unchanged"]


@dataclass(frozen=True)
class Change:
    """What one catalogue entry does, or would do."""

    kind: str
    name: str
    act: Act
    detail: str = ""


class CatalogueError(ValueError):
    """An entry that can't be applied: which one, where in it, and why."""

    def __init__(self, kind: str, name: str, issues: Iterable[Issue]) -> None:
        self.kind, self.name, self.issues = kind, name, tuple(issues)
        places = "; ".join(f"{issue.pointer or '/'}: {issue.message}" for issue in self.issues)
        super().__init__(f"{kind} {name!r}: {places}")


@dataclass(frozen=True)
class CatalogueKind:
    """How entries of one kind are written and read back. `apply` is idempotent."""

    kind: str
    rank: int
    apply: Callable[[Mapping[str, Any]], Change]
    export: Callable[[], list[dict[str, Any]]]


_kinds: dict[str, CatalogueKind] = {}


def register(kind: CatalogueKind) -> None:
    _kinds[kind.kind] = kind


def kinds() -> list[CatalogueKind]:
    """Every kind, in the order in which they may refer to each other."""
    return sorted(_kinds.values(), key=lambda kind: (kind.rank, kind.kind))
