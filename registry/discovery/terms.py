"""What somebody typed into a search, as words that no index can take for its own syntax."""

import re
from dataclasses import dataclass

from registry.discovery import documents

MOST_WORDS = 16
LONGEST_WORD = 60
LONGEST_TEXT = 400

_STOP = frozenset(
    """a an and any are as at be by can could do does for from get give has have how i if in into is
    it its let me my need of on one or our please should some that the their them there this to tool
    tools use using want we what when where which who will with would you your""".split()
)
_PLAIN = re.compile(r"[^\W_]+", re.UNICODE)


@dataclass(frozen=True)
class Terms:
    """The words of a search, in order, each once. `open` says that the last one may be unfinished:
    it also finds longer words that begin with it."""

    words: tuple[str, ...]
    open: bool = True

    def __bool__(self) -> bool:
        return bool(self.words)

    def replaced(self, others: dict[str, str]) -> "Terms":
        """The same with some words exchanged, such as corrected ones."""
        return Terms(tuple(others.get(word, word) for word in self.words), self.open)


def parse(text: str) -> Terms:
    """The words of the text: letters and digits alone. What is no word (quotes, operators, control
    characters) separates. Words that say nothing are left out, unless there are no others."""
    cut = text[:LONGEST_TEXT]
    found = list(dict.fromkeys(word[:LONGEST_WORD] for word in documents.words(cut)))
    telling = [word for word in found if word not in _STOP] or found
    # Only what ends in a letter or digit may be unfinished: "run " is the word "run".
    ends_in_word = bool(cut) and _PLAIN.fullmatch(cut[-1]) is not None
    is_last = bool(telling) and found[-1] == telling[-1]
    return Terms(tuple(telling[:MOST_WORDS]), open=ends_in_word and is_last)
