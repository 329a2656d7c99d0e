"""`${ CEL }` in strings: how data flows from step to step.

A string that is one expression keeps the expression's type; among other text the value is written
out. `$${` is a literal `${`.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from kernel import expressions
from kernel.expressions import ExpressionError, Variables
from kernel.schemas import pointer

_OPEN = "${"


@dataclass(frozen=True)
class Part:
    """A piece of a string: literal text, or an expression."""

    text: str
    is_expression: bool


class TemplateError(ValueError):
    """A `${` without its `}`, or a value that can't be computed; `where` is the pointer."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where or '/'}: {message}")
        self.where, self.message = where, message


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[Part, ...]:
    """The text's parts, in order. Raises ExpressionError where a `${` isn't closed."""
    parts: list[Part] = []
    literal, at = "", 0
    while at < len(text):
        if text.startswith("$" + _OPEN, at):
            literal, at = literal + _OPEN, at + 3
        elif text.startswith(_OPEN, at):
            end = _closing(text, at + 2)
            if literal:
                parts.append(Part(literal, False))
            parts.append(Part(text[at + 2 : end].strip(), True))
            literal, at = "", end + 1
        else:
            literal, at = literal + text[at], at + 1
    if literal or not parts:
        parts.append(Part(literal, False))
    return tuple(parts)


def _closing(text: str, at: int) -> int:
    """Where the expression that begins at `at` ends: its `}` outside of strings and of `{…}`."""
    depth, quote = 0, ""
    while at < len(text):
        character = text[at]
        if quote:
            if character == "\\":
                at += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}" and depth == 0:
            return at
        elif character == "}":
            depth -= 1
        at += 1
    raise ExpressionError(f"`{text[:80]}` has a `${{` without its `}}`")


def strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every string inside of the value: (pointer, text)."""
    if isinstance(value, str):
        yield pointer(list(path)), value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, (*path, index))


def render(value: Any, variables: Variables, path: tuple[str | int, ...] = ()) -> Any:
    """The value with every expression replaced by what it yields. Raises TemplateError."""
    if isinstance(value, dict):
        return {key: render(item, variables, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [render(item, variables, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value
    try:
        return _filled(split(value), variables)
    except ExpressionError as error:
        raise TemplateError(pointer(list(path)), str(error)) from error


def _filled(parts: tuple[Part, ...], variables: Variables) -> Any:
    if len(parts) == 1 and parts[0].is_expression:
        return plain(expressions.compile(parts[0].text).evaluate(variables))
    return "".join(
        _written(plain(expressions.compile(part.text).evaluate(variables)))
        if part.is_expression
        else part.text
        for part in parts
    )


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def plain(value: Any) -> Any:
    """A CEL value as JSON has it: moments as RFC 3339, durations as seconds."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("the value is no finite number")
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise ExpressionError(f"the value is {type(value).__name__}, which JSON doesn't have")
