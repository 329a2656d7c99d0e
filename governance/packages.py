"""Patterns of package names, `numpy` or `django-*`, and what two lists of them have in common."""

import re
from collections.abc import Iterable

FORM = r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]*\*?)$"
"""A name, or the beginning of one followed by a star."""


def normal(pattern: str) -> str:
    """The pattern as PEP 503 writes names: lower case, runs of `-`, `_` and `.` as one hyphen."""
    return re.sub(r"[-_.]+", "-", pattern).lower()


def covers(pattern: str, other: str) -> bool:
    """Whether whatever `other` lets in, `pattern` lets in. Both normal."""
    if pattern.endswith("*"):
        return other.rstrip("*").startswith(pattern[:-1]) if pattern != "*" else True
    return pattern == other


def allowed(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns lets the package in."""
    return any(covers(normal(pattern), normal(name)) for pattern in patterns)


def shortest(patterns: Iterable[str]) -> tuple[str, ...]:
    """The same set of names in the fewest patterns, sorted: equal sets read equal."""
    names = {normal(pattern) for pattern in patterns}
    return tuple(
        sorted(
            name
            for name in names
            if not any(other != name and covers(other, name) for other in names)
        )
    )


def intersection(left: Iterable[str], right: Iterable[str]) -> tuple[str, ...]:
    """What both lists let in. Exact: two prefixes share either nothing or the longer one."""
    rights = [normal(pattern) for pattern in right]
    common: set[str] = set()
    for one in map(normal, left):
        common.update(one for other in rights if covers(other, one))
        common.update(other for other in rights if covers(one, other))
    return shortest(common)
