"""Every entry of the index as this process knows it, in groups that some rules can't tell apart.

Read again when `freshness` says so: what another process publishes is judged by its new contract
within a second. What is hidden, quarantined or past its sunset meanwhile isn't shown, because that
is asked of the tools' own rows each time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from orchestration.discovery.rules import Rules
from registry.discovery import freshness
from registry.discovery.freshness import State
from registry.models import ToolEntry


class Entry(NamedTuple):
    """What is known of an entry: the live version's number, and its kind by its checksum."""

    id: int
    tool_id: UUID
    name: str
    version: str
    checksum: str
    cost_micros: int


_READ = (
    "id", "tool_id", "tool__name", "tool__live_version__version", "facts_checksum", "cost_micros",
)  # fmt: skip


@dataclass(frozen=True)
class Shelf:
    """The entries in one state of the index."""

    state: State
    entries: Sequence[Entry]

    @cached_property
    def first(self) -> int:
        return min((entry.id for entry in self.entries), default=0)

    @cached_property
    def span(self) -> int:
        """How many ids there are from the first to the last."""
        return max((entry.id for entry in self.entries), default=-1) - self.first + 1

    @cached_property
    def by_name(self) -> dict[str, Entry]:
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def by_tool(self) -> dict[UUID, Entry]:
        return {entry.tool_id: entry for entry in self.entries}

    @cached_property
    def dearest(self) -> list[Entry]:
        """Those that cost something, the dearest first."""
        priced = (entry for entry in self.entries if entry.cost_micros > 0)
        return sorted(priced, key=lambda entry: -entry.cost_micros)

    @cached_property
    def retiring(self) -> list[Entry]:
        """Those whose tools say of single versions that they end."""
        return [entry for entry in self.entries if kind_of(entry.checksum).get("retired")]


@dataclass(frozen=True)
class Groups:
    """`members` are the entries of each group, all alike to some rules."""

    members: Sequence[Sequence[Entry]]
    place: Mapping[int, int]
    """The group of each entry, by its id."""


_shelf = Shelf(("", 0, 0), ())


def current() -> Shelf:
    """The entries as they were at most a second ago."""
    global _shelf
    state = freshness.state()
    if _shelf.state != state:
        entries = [Entry(*row) for row in ToolEntry.objects.values_list(*_READ)]
        _read_kinds({entry.checksum for entry in entries})
        _shelf = Shelf(state, entries)
    return _shelf


@lru_cache(maxsize=4)
def _groups(rules: Rules, state: State, held: "_Held") -> Groups:
    by_key: dict[Any, list[Entry]] = {}
    likeness: dict[str, Any] = {}
    for entry in held.shelf.entries:
        alike = likeness.get(entry.checksum)
        if alike is None:
            alike = likeness[entry.checksum] = rules.likeness(kind_of(entry.checksum))
        key = (alike, entry.name if rules.is_named(entry.name) else "")
        by_key.setdefault(key, []).append(entry)
    members = list(by_key.values())
    place = {entry.id: number for number, group in enumerate(members) for entry in group}
    return Groups(members, place)


@dataclass(frozen=True)
class _Held:
    """Carries a shelf past the cache's key, which has its state."""

    shelf: Shelf

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


def groups(rules: Rules, shelf: Shelf) -> Groups:
    """The shelf in groups that these rules can't tell apart; kept until either changes."""
    return _groups(rules, shelf.state, _Held(shelf))


_known_kinds: dict[str, Mapping[str, Any]] = {}
MOST_KINDS = 50_000


def kind_of(checksum: str) -> Mapping[str, Any]:
    """What calls of a tool are judged by, by its checksum (`ToolEntry.facts_checksum`)."""
    return _known_kinds[checksum]


def _read_kinds(checksums: set[str]) -> None:
    """Have all of these at hand: read once, because the checksum says all of it."""
    missing = [each for each in checksums if each not in _known_kinds]
    if len(_known_kinds) + len(missing) > MOST_KINDS:
        _known_kinds.clear()
        missing = list(checksums)
    for start in range(0, len(missing), 500):
        rows = ToolEntry.objects.filter(facts_checksum__in=missing[start : start + 500])
        for checksum, facts in rows.values_list("facts_checksum", "facts"):
            _known_kinds.setdefault(checksum, facts)
