"""What a caller means by a version: one number, a range, or the name of an alias.

    1.2  1.2.3           exactly that one
    2  1.x  1.2.x  *     any of that line
    ~1.4                 1.4 and its patches (npm's tilde)
    ^1.4                 1.4 and whatever is compatible with it: below 2.0 (npm's caret)
    >=1.2,<2             all bounds hold
    stable               where that alias points; live and latest: the live version

Of several versions in a range, the highest is meant.
"""

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from kernel.versions import Version

MAX_LENGTH = 64
MAX_BOUNDS = 8
LIVE = ("live", "latest")
_NUMBER = r"(0|[1-9]\d{0,5})"
_EXACT = re.compile(rf"{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?")
_LINE = re.compile(rf"{_NUMBER}(?:\.(?:[xX*]|{_NUMBER}\.[xX*]))?")
_BOUND = re.compile(rf"(>=|<=|>|<|==|=|~|\^)\s*{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?")
_ALIAS = re.compile(r"[a-z][a-z_-][a-z0-9_-]{0,30}")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

Kind = Literal["live", "number", "range", "alias"]


class SelectorError(ValueError):
    """A text that is no selector."""


@dataclass(frozen=True)
class Selector:
    """A selector that was read. `bounds` are pairs of a comparison and a version's sort key."""

    text: str
    kind: Kind
    bounds: tuple[tuple[str, int], ...] = ()

    def admits(self, key: int) -> bool:
        """Whether the version of that sort key is within; True for what isn't a range."""
        return all(_COMPARE[compare](key, bound) for compare, bound in self.bounds)

    def highest(self, keys: Iterable[int]) -> int | None:
        """The highest of the sort keys that is within."""
        return max((key for key in keys if self.admits(key)), default=None)


def parse(text: str) -> Selector:
    """Raises SelectorError with the forms that there are."""
    asked = text.strip()
    if asked in ("", *LIVE):
        return Selector(asked, "live")
    if len(asked) > MAX_LENGTH:
        raise SelectorError(f"a version is asked for in at most {MAX_LENGTH} characters")
    if _EXACT.fullmatch(asked):
        key = Version.parse(asked).key
        return Selector(asked, "number", ((">=", key), ("<=", key)))
    if asked == "*":
        return Selector(asked, "range")
    if line := _LINE.fullmatch(asked):
        return Selector(asked, "range", _line(line[1], line[2]))
    if _ALIAS.fullmatch(asked):
        return Selector(asked, "alias")
    return Selector(asked, "range", _bounds(asked))


def _line(major: str, minor: str | None) -> tuple[tuple[str, int], ...]:
    first = Version(int(major), int(minor or 0))
    after = Version(first.major + 1, 0) if minor is None else Version(first.major, first.minor + 1)
    return (">=", first.key), ("<", after.key)


def _bounds(text: str) -> tuple[tuple[str, int], ...]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MAX_BOUNDS:
        raise SelectorError(f"at most {MAX_BOUNDS} bounds")
    return tuple(bound for part in parts for bound in _bound(part, text))


def _bound(part: str, text: str) -> tuple[tuple[str, int], ...]:
    found = _BOUND.fullmatch(part)
    if not found:
        raise SelectorError(
            f"{text!r} is no version: write a number (1.2), a range (1.x, >=1.2,<2, ~1.4, ^1.4) "
            "or an alias (stable)"
        )
    sign, first = found[1], Version(*(int(each or 0) for each in found.groups()[1:]))
    if sign in ("=", "=="):
        return (">=", first.key), ("<=", first.key)
    if sign == "~":
        after = Version(first.major, first.minor + 1) if found[3] else Version(first.major + 1, 0)
        return (">=", first.key), ("<", after.key)
    if sign == "^":
        return (">=", first.key), ("<", Version(first.major + 1, 0).key)
    return ((sign, first.key),)
