"""Which of the entries that a search found its asker may see."""

import re
from collections.abc import Sequence

from django.db.models import QuerySet

from registry.discovery import filters
from registry.models import Tool

FEWEST = 50
# Where these didn't do: asking once more costs what some hundred hits cost.
AGAIN = 250
LARGEST = 1_000
# Where so many were asked about and fewer than one in so many may be seen, all that may is read.
PATIENCE = 1_000
RARE = 20
_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Allowed:
    """The rows of a search, asked about its hits from the best on, many in one query, until
    `enough` of them are among the rows. Each hit is asked about once, in whichever rankings it is.
    """

    def __init__(self, rows: QuerySet[Tool], enough: int) -> None:
        self.rows = rows
        self.enough = enough
        self._seen: dict[int, bool] = {}
        self._early: Sequence[int] = ()
        self._all: set[int] | None = None

    def ask_early(self, ids: Sequence[int]) -> None:
        """Ask about these too, with the next ones."""
        self._early = ids

    def of(self, ids: Sequence[int]) -> list[int]:
        """Those of the ids that are allowed, in their order: all, or the best that suffice."""
        kept: list[int] = []
        place = 0
        while place < len(ids) and len(kept) < self.enough:
            chunk = ids[place : place + self._size(self.enough - len(kept))]
            kept += self._kept(chunk, rare=place >= PATIENCE and len(kept) * RARE < place)
            place += len(chunk)
        return kept

    def _size(self, lacking: int) -> int:
        """As many as are likely to suffice, by what those before came to, in all rankings."""
        if not self._seen:
            return max(round(lacking * 1.3), FEWEST)
        rate = max(sum(self._seen.values()), 1) / len(self._seen)
        return min(max(round(lacking * 1.5 / rate), AGAIN), LARGEST)

    def _kept(self, ids: Sequence[int], *, rare: bool) -> list[int]:
        if rare or self._all is not None:
            allowed = self.all()
            return [each for each in ids if each in allowed]
        asked = dict.fromkeys(each for each in (*ids, *self._early) if each not in self._seen)
        self._early = ()
        if asked:
            found = filters.entry_ids(filters.among(self.rows, asked))
            self._seen.update((each, each in found) for each in asked)
        return [each for each in ids if self._seen[each]]

    def all(self) -> set[int]:
        """Every entry that is allowed."""
        if self._all is None:
            self._all = filters.entry_ids(self.rows)
        return self._all

    def named(self, name: str) -> int | None:
        """The entry of exactly this name."""
        if not _NAME.fullmatch(name):
            return None
        found: int | None = (
            self.rows.filter(name=name).order_by().values_list("entry__id", flat=True).first()
        )
        return found
