"""Searching the tools: by words, by meaning, or by both."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from django.db.models import QuerySet

from registry.discovery import documents, freshness, fulltext, fusion, terms
from registry.discovery.allowed import Allowed
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
# So many of the best hits are looked at first, and all of them where too few may be seen.
HEAD = 1_000
# So many tools are enough, unless told; and of each of two rankings that become one.
PLENTY = 100
FUSED = 100
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


def search(rows: QuerySet[Tool], text: str, mode: Mode = "text", *, enough: int = PLENTY) -> Found:
    """The tools among `rows` that the text means, best first: at least `enough`, if there are.
    `rows` are what the caller may see (`filters.listed`), narrowed as they like.

    1. by words: with all of them, then with some; where none is found, with likely spellings;
    2. by meaning: the nearest vectors; 3. both become one by reciprocal rank fusion;
    4. a tool of exactly this name comes first.
    """
    allowed = Allowed(rows, FUSED if mode == "hybrid" else min(max(enough, ENOUGH), MOST))
    near = _near(text) if mode != "text" else Near("")
    if mode == "hybrid":
        allowed.ask_early(near.head(allowed.enough))
    by_words, corrected = _by_words(terms.parse(text), allowed) if mode != "semantic" else ([], "")
    rankings = {"text": by_words[:MOST], "semantic": near.among(allowed)}
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


def _first(order: list[int], named: int | None) -> list[int]:
    return order if named is None else [named, *(each for each in order if each != named)]


def _by_words(asked: Terms, allowed: Allowed) -> tuple[list[int], str]:
    found = _matching(asked, allowed)
    if len(found) >= ENOUGH or not asked:
        return found, ""
    unknown = _corrections(asked) if not found else {}
    if unknown:
        found = _matching(asked.replaced(unknown), allowed)
        return found, " ".join(asked.replaced(unknown).words) if found else ""
    return found, ""


def _matching(asked: Terms, allowed: Allowed) -> list[int]:
    hits = fulltext.matching(asked, enough=ENOUGH, most=HEAD)
    found = allowed.of(hits)
    if len(found) < allowed.enough and len(hits) == HEAD:
        # What may be seen stands further down.
        hits = fulltext.matching(asked, enough=ENOUGH, most=EVERYTHING)
        found = allowed.of(hits)
    if len(found) < ENOUGH <= len(hits):
        # Or it has some of the words alone.
        found = allowed.of(fulltext.matching(asked, enough=EVERYTHING, most=EVERYTHING))
    return found


class Near:
    """The entries that are near in meaning to a text; none to one without words."""

    def __init__(self, spoken: str) -> None:
        self.spoken = spoken
        self.ids = self._nearest() if spoken else []

    def _nearest(self, among: Iterable[int] | None = None) -> list[int]:
        # The model and numpy take half a second to load and 40 MB: only who asks for them pays.
        from registry.discovery import meaning  # noqa: PLC0415 - see above

        return meaning.nearest(self.spoken, among=among, most=HEAD)

    def head(self, count: int) -> list[int]:
        return self.ids[:count]

    def among(self, allowed: Allowed) -> list[int]:
        """Those that may be found."""
        found = allowed.of(self.ids)
        if len(found) >= allowed.enough or len(self.ids) < HEAD:
            return found
        return self._nearest(allowed.all())


def _near(text: str) -> Near:
    return Near(" ".join(documents.words(text[: terms.LONGEST_TEXT])))


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
