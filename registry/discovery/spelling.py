"""Words that were meant where the typed one isn't known: at most two slips away. Pure.

Symmetric deletes: two words one edit apart share a form that lacks one letter, so that candidates
are looked up instead of compared one by one (W. Garbe, SymSpell).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

SHORTEST = 4


class Vocabulary:
    """The words that tools' names and tags are made of, with how often each occurs."""

    def __init__(self, words: Iterable[str]) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        for word in words:
            self.counts[word] += 1
        self._by_form: dict[str, list[str]] = defaultdict(list)
        for word in self.counts:
            if len(word) >= SHORTEST:
                for form in _forms(word):
                    self._by_form[form].append(word)

    def __contains__(self, word: str) -> bool:
        return word in self.counts

    def meant(self, word: str) -> str | None:
        """The known word that is most alike and, of equals, the most frequent; None where nothing
        is alike."""
        if len(word) < SHORTEST:
            return None
        found = {each for form in _forms(word) for each in self._by_form.get(form, ())}
        # The first letter is seldom wrong; where it is, only one slip is forgiven.
        near = [
            (distance, -self.counts[each], each)
            for each in found
            if (distance := _distance(word, each)) <= (2 if each[0] == word[0] else 1)
        ]
        return min(near)[2] if near else None


def _forms(word: str) -> Iterator[str]:
    yield word
    yield from {word[:place] + word[place + 1 :] for place in range(len(word))}


def _distance(one: str, other: str) -> int:
    """Optimal string alignment: insertions, deletions, substitutions, neighbours exchanged."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        line = [row]
        for column, each in enumerate(other, start=1):
            cost = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != each))
            if row > 1 < column and letter == other[column - 2] and one[row - 2] == each:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, last = last, line
    return last[-1]
