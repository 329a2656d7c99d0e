"""The register of kinds that a catalogue (a folder of YAML) may hold.

Each app registers its own kinds; portal reads the folder and runs them in one transaction, in the
order of `rank`. `plan` tells what would change without changing it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.core.exceptions import ValidationError

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


def refuse_unknown(kind: str, entry: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises CatalogueError with each key that the kind doesn't have: a misspelt one is lost."""
    told = f"unknown; known: {', '.join(sorted(known))}"
    issues = [Issue(f"/{key}", told) for key in sorted(set(entry) - set(known))]
    if issues:
        raise CatalogueError(kind, str(entry.get("name")), issues)


def write(kind: str, row: Any, values: Mapping[str, Any]) -> Change:
    """Save what differs from the row, and say what that was. A fault is named by its field."""
    is_new = row._state.adding
    changed = [key for key in values if is_new or not _same(getattr(row, key), values[key])]
    for key in changed:
        setattr(row, key, values[key])
    if not changed:
        return Change(kind, row.name, "unchanged")
    try:
        row.full_clean(exclude=["group"])
    except ValidationError as error:
        issues = [Issue(f"/{key}", " ".join(found)) for key, found in error.message_dict.items()]
        raise CatalogueError(kind, row.name, issues) from error
    row.save()
    return Change(kind, row.name, "create" if is_new else "update", ", ".join(changed))


def _same(one: Any, other: Any) -> bool:
    """A number or a moment that YAML read in another type is the same value."""
    return bool(one == other or (not isinstance(one, str) and str(one) == str(other)))


_kinds: dict[str, CatalogueKind] = {}


def register(kind: CatalogueKind) -> None:
    _kinds[kind.kind] = kind


def kinds() -> list[CatalogueKind]:
    """Every kind, in the order in which they may refer to each other."""
    return sorted(_kinds.values(), key=lambda kind: (kind.rank, kind.kind))
