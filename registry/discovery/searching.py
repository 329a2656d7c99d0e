"""Searching the tools: by words, by meaning, or by both."""

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import QuerySet

from registry.discovery import documents, filters, freshness, fulltext, fusion, terms
from registry.discovery.freshness import State
from registry.discovery.spelling import Vocabulary
from registry.discovery.terms import Terms
from registry.models import Tool
from registry.models.search import ToolEntry

Mode = Literal["text", "semantic", "hybrid"]
MODES: Mapping[str, Mode] = {
    "": "text",
    "false": "text",
    "0": "text",
    "true": "hybrid",
    "1": "hybrid",
    "hybrid": "hybrid",
    "only": "semantic",
}
"""What `semantic=` may say."""

MOST = 500
# Fewer than that with every word: those with some of the words come after them.
ENOUGH = 10
# So many hits are looked up one by one; where that leaves so many, they are all there is to see.
HEAD = 500
PLENTY = 100
FUSED = 100
_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
EVERYTHING = 1_000_000
# An exact name is what was meant; then words say more than likeness does.
WEIGHTS = (1.0, 0.8)


@dataclass(frozen=True)
class Hit:
    """An entry that was found. `by` says by which ranking: text, semantic, or both."""

    entry_id: int
    score: float
    by: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The hits, best first, at most 500. `corrected` is what was searched instead, where words of
    the text aren't known and others are alike."""

    hits: tuple[Hit, ...]
    corrected: str = ""


def search(rows: QuerySet[Tool], text: str, mode: Mode = "text", *, narrow: bool = False) -> Found:
    """The tools among `rows` that the text means, best first. `rows` are what the caller may see
    (`filters.listed`), narrowed as they like; `narrow` says that they leave out many, so that they
    are read whole instead of being asked about the best hits.

    1. by words: with all of them, then with some; where none is found, with likely spellings;
    2. by meaning: the nearest vectors; 3. both become one by reciprocal rank fusion;
    4. a tool of exactly this name comes first.
    """
    allowed = _Allowed(rows, narrow)
    by_words: list[int] = []
    corrected = ""
    if mode != "semantic":
        by_words, corrected = _by_words(terms.parse(text), allowed)
    by_meaning = _by_meaning(text, allowed) if mode != "text" else []
    rankings = {"text": by_words[:MOST], "semantic": by_meaning}
    if mode == "hybrid":
        rankings = {name: ranking[:FUSED] for name, ranking in rankings.items()}
    scores = fusion.fused(rankings.values(), weights=WEIGHTS)
    members = {name: set(ranking) for name, ranking in rankings.items()}
    order = _first(list(scores), allowed.named(text.strip()))
    hits = (
        Hit(each, round(scores.get(each, 1.0), 5), tuple(n for n in members if each in members[n]))
        for each in order[:MOST]
    )
    return Found(tuple(hits), corrected)


class _Allowed:
    """Which entries may be found: asked for the best hits, and read whole where few of them are."""

    def __init__(self, rows: QuerySet[Tool], narrow: bool) -> None:
        self.rows = rows
        self.narrow = narrow
        self._all: set[int] | None = None
        if narrow:
            self.all()

    def of(self, ids: Sequence[int]) -> list[int]:
        """Those of the ids that are allowed, in their order; of very many the best that suffice."""
        if self._all is not None:
            return [each for each in ids if each in self._all]
        head = ids[:HEAD]
        kept = filters.entry_ids(self.rows.filter(entry__id__in=head)) if head else set()
        if len(head) == len(ids) or len(kept) >= PLENTY:
            return [each for each in head if each in kept]
        allowed = self.all()
        return [each for each in ids if each in allowed]

    def all(self) -> set[int]:
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


def _first(order: list[int], named: int | None) -> list[int]:
    return order if named is None else [named, *(each for each in order if each != named)]


def _by_words(asked: Terms, allowed: _Allowed) -> tuple[list[int], str]:
    found = _matching(asked, allowed)
    if len(found) >= ENOUGH or not asked:
        return found, ""
    unknown = _corrections(asked) if not found else {}
    if unknown:
        found = _matching(asked.replaced(unknown), allowed)
        return found, " ".join(asked.replaced(unknown).words) if found else ""
    return found, ""


def _matching(asked: Terms, allowed: _Allowed) -> list[int]:
    hits = fulltext.matching(asked, enough=ENOUGH, most=EVERYTHING if allowed.narrow else HEAD)
    found = allowed.of([each.id for each in hits])
    if len(found) < ENOUGH <= len(hits):
        # What may be seen stands further down, or has some of the words alone.
        hits = fulltext.matching(asked, enough=EVERYTHING, most=EVERYTHING)
        found = allowed.of([each.id for each in hits])
    return found


def _by_meaning(text: str, allowed: _Allowed) -> list[int]:
    # The model and numpy take half a second to load and 40 MB: only who asks for them pays.
    from registry.discovery import meaning  # noqa: PLC0415 - see above

    spoken = " ".join(documents.words(text[: terms.LONGEST_TEXT]))
    if not spoken:
        return []
    if allowed.narrow:
        return [each.id for each in meaning.nearest(spoken, among=allowed.all(), most=HEAD)]
    near = [each.id for each in meaning.nearest(spoken, most=HEAD)]
    found = allowed.of(near)
    if len(found) >= PLENTY or len(near) < HEAD:
        return found
    return [each.id for each in meaning.nearest(spoken, among=allowed.all(), most=HEAD)]


_vocabulary: tuple[State, Vocabulary] | None = None
_reading = threading.Lock()


def _corrections(asked: Terms) -> dict[str, str]:
    """What the words that no tool's name or tag has are likely to mean."""
    known = _known_words()
    found = {word: known.meant(word) for word in asked.words if word not in known}
    return {word: meant for word, meant in found.items() if meant}


def _known_words() -> Vocabulary:
    global _vocabulary
    state = freshness.state()
    with _reading:
        if _vocabulary is None or _vocabulary[0] != state:
            _vocabulary = state, Vocabulary(_words())
        return _vocabulary[1]


def _words() -> Iterable[str]:
    for name, tags in ToolEntry.objects.values_list("tool__name", "tags").iterator():
        yield from documents.words(f"{name} {tags}")
