"""Texts become documents, within bounds: JSON or YAML, of which only what JSON can say."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from registry.importing.drafts import Refused, pointer

MAX_BYTES = 64 * 1024 * 1024
MAX_YAML = 8 * 1024 * 1024
"""YAML takes some fifty times as long to read as JSON."""
MAX_NODES = 5_000_000
MAX_DEPTH = 200
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def document(raw: bytes) -> Any:
    """The document in JSON or YAML. Raises Refused with the place and what is wrong there."""
    if len(raw) > MAX_BYTES:
        raise Refused("", f"it has {len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("", f"byte {error.start} isn't UTF-8") from error
    if not text.strip():
        raise Refused("", "it is empty")
    return _json(text) if text.lstrip()[0] in "{[" else _yaml(text)


def _json(text: str) -> Any:
    try:
        found = json.loads(
            text, object_pairs_hook=_once, parse_constant=_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        return _flow(text, error)
    except RecursionError as error:
        raise Refused("", f"it nests deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise Refused("", f"this is no JSON: {error}") from error
    refuse_deep(found)
    return found


def _flow(text: str, error: json.JSONDecodeError) -> Any:
    """YAML may begin with a bracket too; a broken JSON text is named as such."""
    try:
        return _yaml(text)
    except Refused:
        told = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise Refused("", f"this is no JSON: {told}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} stands twice in one object")
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is beyond what a number can hold")
    return number


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """YAML without moments and merges: texts stay texts, and nothing multiplies."""


_Loader.yaml_implicit_resolvers = {
    first: [
        pair
        for pair in pairs
        if pair[0] not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")
    ]
    for first, pairs in _Base.yaml_implicit_resolvers.items()
}


def _yaml(text: str) -> Any:
    if len(text) > MAX_YAML:
        raise Refused("", f"this YAML has {len(text)} characters; at most {MAX_YAML} are read")
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 - a safe loader that knows less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Refused("", f"this is no YAML: {place}{error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise Refused("", f"this is no YAML: {str(error)[:200]}") from error
    return _Plain().value(found, (), 0)


class _Plain:
    """Copies what YAML gave into what JSON can say; an alias counts as often as it is used."""

    def __init__(self) -> None:
        self.left = MAX_NODES

    def value(self, value: Any, path: tuple[object, ...], depth: int) -> Any:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            bound = f"{MAX_NODES} values" if self.left < 0 else f"{MAX_DEPTH} levels"
            raise Refused(pointer(*path[:20]), f"with its aliases it has more than {bound}")
        if isinstance(value, dict):
            return {
                self._key(key, path): self.value(item, (*path, key), depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.value(item, (*path, index), depth + 1) for index, item in enumerate(value)]
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        raise Refused(pointer(*path), f"JSON knows no {type(value).__name__} such as this")

    def _key(self, key: Any, path: tuple[object, ...]) -> str:
        if isinstance(key, bool):
            # YAML 1.1 reads `on` and `no` as truth values; as keys they were meant as words.
            raise Refused(pointer(*path), f"write the key that reads as {key} in quotes")
        if not isinstance(key, str | int):
            raise Refused(pointer(*path), f"{str(key)[:80]!r} is no key for JSON")
        if key == "<<":
            raise Refused(pointer(*path), "merge keys (<<) aren't read; write the keys out")
        return str(key)


def refuse_deep(value: Any) -> None:
    """Raises Refused for what nests too deep or has too many values; walks without recursion."""
    stack: list[tuple[Iterator[Any], int]] = [(iter((value,)), 0)]
    count = 0
    while stack:
        items, depth = stack[-1]
        for item in items:
            count += 1
            if count > MAX_NODES:
                raise Refused("", f"it has more than {MAX_NODES} values")
            if isinstance(item, dict | list):
                if depth >= MAX_DEPTH:
                    raise Refused("", f"it nests deeper than {MAX_DEPTH} levels")
                inner = item.values() if isinstance(item, dict) else item
                stack.append((iter(inner), depth + 1))
                break
        else:
            stack.pop()


def storable(value: Any) -> Any:
    """The value with a replacement character for what no database stores in a text, and a number
    that JSON doesn't have as its name."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value) if _UNSTORABLE.search(value) else value
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
