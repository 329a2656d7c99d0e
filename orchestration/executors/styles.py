"""How a parameter's value is written into a request: OpenAPI 3.1, 4.8.12 (and RFC 6570). Pure."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

Pair = tuple[str, str]
_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


def plain(value: Any) -> str:
    """The text of one value: true and false, numbers as JSON writes them, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def escaped(value: Any) -> str:
    """The same, percent-encoded: nothing in it separates anything any more."""
    return quote(plain(value).encode("utf-8", errors="replace"), safe="")


def path(name: str, value: Any, *, style: str, explode: bool) -> str:
    """A part of a path, percent-encoded: `simple` `a,b`, `label` `.a,b`, `matrix` `;name=a,b`."""
    if style == "matrix":
        return _matrix(name, value, explode=explode)
    begin, between = (".", "." if explode else ",") if style == "label" else ("", ",")
    return begin + between.join(_members(value, explode=explode))


def _members(value: Any, *, explode: bool) -> list[str]:
    if isinstance(value, Mapping):
        pairs = [(escaped(key), escaped(item)) for key, item in value.items()]
        if explode:
            return [f"{key}={item}" for key, item in pairs]
        return [part for pair in pairs for part in pair]
    if isinstance(value, list | tuple):
        return [escaped(item) for item in value]
    return [escaped(value)]


def _matrix(name: str, value: Any, *, explode: bool) -> str:
    own = escaped(name)
    if explode and isinstance(value, Mapping):
        return "".join(f";{member}" for member in _members(value, explode=True))
    if explode and isinstance(value, list | tuple):
        return "".join(f";{own}={member}" for member in _members(value, explode=False))
    text = ",".join(_members(value, explode=False))
    return f";{own}={text}" if text else f";{own}"


def query(name: str, value: Any, *, style: str, explode: bool) -> list[Pair]:
    """The pairs of a query or a form, percent-encoded."""
    own = escaped(name)
    if style == "deepObject" and isinstance(value, Mapping):
        return list(_deep(own, value))
    if not isinstance(value, Mapping | list | tuple):
        return [(own, escaped(value))]
    if explode and isinstance(value, Mapping):
        return [(escaped(key), escaped(item)) for key, item in value.items()]
    if explode:
        return [(own, escaped(item)) for item in value]
    if not value:
        return []
    return [(own, _SEPARATORS.get(style, ",").join(_members(value, explode=False)))]


def _deep(name: str, value: Any) -> list[Pair]:
    """`name[key]=value`; what is nested deeper goes on in brackets, a list repeats its name."""
    if isinstance(value, Mapping):
        found = [_deep(f"{name}%5B{escaped(key)}%5D", item) for key, item in value.items()]
        return [pair for pairs in found for pair in pairs]
    if isinstance(value, list | tuple):
        return [(name, escaped(item)) for item in value]
    return [(name, escaped(value))]


def header(value: Any, *, explode: bool) -> str:
    """A header's value, in the style `simple`; it isn't percent-encoded."""
    if isinstance(value, Mapping):
        pairs = [(plain(key), plain(item)) for key, item in value.items()]
        if explode:
            return ",".join(f"{key}={item}" for key, item in pairs)
        return ",".join(part for pair in pairs for part in pair)
    if isinstance(value, list | tuple):
        return ",".join(map(plain, value))
    return plain(value)
