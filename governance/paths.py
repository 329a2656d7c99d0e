"""Places in a JSON value: JSON pointers (RFC 6901, with `*` for every member) and JSONPath
(RFC 9535), both as locations that a mask is put on."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathQuery
from jsonpath_rfc9535.selectors import IndexSelector, NameSelector

Location = tuple[str | int, ...]

MAX_LENGTH = 300
MAX_PLACES = 200_000
_LITERAL = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)


class PathFault(Exception):
    """A path that can't be read, or that could cost more than a walk over the value."""


class _Environment(JSONPathEnvironment):
    max_recursion_depth = 300

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        # They would run a pattern of the policy's on the caller's text, in Python's engine.
        for name in ("match", "search"):
            self.function_extensions.pop(name, None)


_environment = _Environment()


def fault(path: str) -> str:
    """What is wrong with a pointer or a JSONPath; empty when it can be used."""
    try:
        if path.startswith("$"):
            _query(path)
        elif not path.startswith("/"):
            return "a place is a JSON pointer (/a/b) or a JSONPath ($.a.b)"
    except PathFault as error:
        return str(error)
    return ""


@lru_cache(maxsize=1024)
def _query(path: str) -> JSONPathQuery:
    """The compiled query, bounded so that it visits each member of a value a few times at most."""
    if len(path) > MAX_LENGTH:
        raise PathFault(f"a JSONPath has at most {MAX_LENGTH} characters")
    try:
        query = _environment.compile(path)
    except (JSONPathError, RecursionError, ValueError) as error:
        raise PathFault(f"no JSONPath (RFC 9535): {str(error)[:200]}") from error
    plain = _LITERAL.sub("''", path)
    for bound, found, what in (
        (1, plain.count(".."), "`..`"),
        (1, plain.count("$"), "`$`"),
        (2, plain.count("?"), "`?`"),
        (4, plain.count("*"), "`*`"),
    ):
        if found > bound:
            raise PathFault(f"{what} stands in it {found} times; at most {bound} are allowed")
    for segment in query.segments:
        wide = [s for s in segment.selectors if not isinstance(s, NameSelector | IndexSelector)]
        if len(wide) > 1:
            raise PathFault("a bracket holds at most one wildcard, slice or filter")
    return query


def places(value: Any, path: str) -> Iterator[Location]:
    """Where in the value the path points. Raises PathFault where there are too many places."""
    if path.startswith("$"):
        try:
            for count, node in enumerate(_query(path).finditer(value)):
                if count >= MAX_PLACES:
                    raise PathFault(f"{path} names more than {MAX_PLACES} places")
                yield node.location
        except (JSONPathError, RecursionError) as error:
            raise PathFault(str(error)) from error
    else:
        yield from _pointed(value, [_unescaped(part) for part in path.split("/")[1:]], ())


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _pointed(value: Any, path: list[str], at: Location) -> Iterator[Location]:
    if not path:
        yield at
        return
    head, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        for name in value if head == "*" else [head] if head in value else []:
            yield from _pointed(value[name], rest, (*at, name))
    elif isinstance(value, list | tuple):
        for index in range(len(value)) if head == "*" else _index(head, len(value)):
            yield from _pointed(value[index], rest, (*at, index))


def _index(head: str, length: int) -> list[int]:
    return [int(head)] if head.isdecimal() and int(head) < length else []


def replaced(value: Any, locations: Iterable[Location], mask: Any) -> Any:
    """A copy of the value in which what stands at the locations is the mask."""
    tree: dict[str | int, Any] = {}
    for location in locations:
        if not location:
            return mask
        branch = tree
        for step in location[:-1]:
            found = branch.setdefault(step, {})
            if found is None:
                break
            branch = found
        else:
            branch[location[-1]] = None
    return _grown(value, tree, mask)


def _grown(value: Any, tree: Mapping[str | int, Any] | None, mask: Any) -> Any:
    if tree is None:
        return mask
    if isinstance(value, Mapping):
        return {k: _grown(v, tree[k], mask) if k in tree else v for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_grown(v, tree[i], mask) if i in tree else v for i, v in enumerate(value)]
    return value
