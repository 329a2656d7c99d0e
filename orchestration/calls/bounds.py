"""What may be stored: bounded in size, and text that every database holds."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kernel import canonical
from kernel.problems import Issue
from kernel.schemas import pointer

MAX_REFUSED_ARGUMENTS = 64 * 1024
MAX_RESULT = 32 * 2**20
MAX_ERROR = 64 * 1024
MAX_DEPTH = 100
MAX_FAULTS = 20


def faults(value: Any) -> tuple[Issue, ...]:
    """Where `value` holds what JSON in a database can't: NUL, lone surrogates, infinite numbers, or
    more than 100 levels."""
    found = []
    for issue in _faults(value, []):
        found.append(issue)
        if len(found) == MAX_FAULTS:
            break
    return tuple(found)


def _faults(value: Any, path: list[str | int]) -> Iterator[Issue]:
    if len(path) > MAX_DEPTH:
        yield Issue("", f"nested deeper than {MAX_DEPTH} levels")
        return
    if isinstance(value, str):
        if not _is_storable(value):
            yield Issue(pointer(path), "the text holds a NUL or a lone surrogate")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Issue(pointer(path), "the number isn't finite")
    for key, item in _members(value):
        if isinstance(key, str) and not _is_storable(key):
            yield Issue(pointer(path), "a name holds a NUL or a lone surrogate")
        else:
            yield from _faults(item, [*path, key])


def _members(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()


def _is_storable(text: str) -> bool:
    return ("\0" not in text and text.isascii()) or _clean(text) == text


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", errors="replace").decode()


def storable(value: Any, depth: int = 0) -> Any:
    """The value as JSON that a database holds; what it can't hold is replaced."""
    if depth > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return {_clean(str(key)): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def size(value: Any) -> int:
    """How many bytes the value takes as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def refused_arguments(arguments: Mapping[str, Any]) -> Any:
    """The arguments of a refused call: kept while they are small, else their size and digest."""
    kept = storable(arguments)
    taken = size(kept)
    if taken <= MAX_REFUSED_ARGUMENTS:
        return kept
    return {"omitted": {"bytes": taken, "sha256": canonical.digest(kept)}}


def error(fault: Mapping[str, Any] | None) -> Any:
    """The error with its texts cut, so that no program can fill the database through it."""
    if fault is None:
        return None
    kept = storable(fault)
    if size(kept) <= MAX_ERROR:
        return kept
    return {
        "reason": str(kept.get("reason", "error"))[:100],
        "message": str(kept.get("message", ""))[:4_000],
        "omitted": {"bytes": size(kept)},
    }


def kept(value: Any, how: str) -> Any:
    """The payload as an obligation lets it be kept: `full`, `digest` or `none`."""
    if how == "full" or value is None:
        return value
    if how == "digest":
        return {"omitted": {"bytes": size(value), "sha256": canonical.digest(value)}}
    return {"omitted": {}}
