"""One JSON request on standard input, one JSON object as the last line of standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

MAX_REQUEST_BYTES = 64 * 2**20
MAX_ANSWER_CHARS = 16 * 2**20

REASONS = frozenset(
    {
        "invalid_request",  # the request is no JSON object, or a field has the wrong type
        "invalid_path",  # a path leaves the tree, or goes through a symlink
        "tree_missing",  # there is no tree where one was promised
        "too_large",  # the tree or the answer is over a limit
        "unknown_module",  # the named module doesn't exist or can't be read
        "unknown_group",  # no candidate matches the names given; the message lists what there is
        "unknown_name",  # the module doesn't define the name
        "target_exists",  # the new module's path is taken
        "not_movable",  # the definitions can't be told apart from what stays
        "mutable_state",  # what moves and what stays rebind the same module variable
        "breaks_import",  # one of the two modules can't be imported after the move
        "missing_package",  # a package the program needs isn't in any layer
    }
)


class Refusal(Exception):
    """A "no" that the caller should handle: a reason of REASONS, and a message for people."""

    def __init__(self, reason: str, message: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"unknown reason {reason!r}")
        super().__init__(message)
        self.reason = reason
        self.message = message


Answer = dict[str, Any]


def serve(program: Callable[[Mapping[str, Any]], Answer]) -> None:
    """Answer the request on standard input; exit 0 with JSON, or a traceback and 1.

    Whatever is printed meanwhile goes to standard error, so that the answer stands alone.
    """
    channel = os.dup(1)
    os.dup2(2, 1)
    try:
        answer = program(_request(sys.stdin.buffer.read(MAX_REQUEST_BYTES + 1)))
    except Refusal as refusal:
        answer = {"error": {"reason": refusal.reason, "message": refusal.message}}
    line = json.dumps(answer, ensure_ascii=True, sort_keys=False)
    if len(line) > MAX_ANSWER_CHARS:
        message = f"The answer has {len(line)} characters, over {MAX_ANSWER_CHARS}."
        line = json.dumps({"error": {"reason": "too_large", "message": message}})
    with os.fdopen(channel, "w", encoding="ascii") as out:
        out.write(line + "\n")


def _request(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > MAX_REQUEST_BYTES:
        raise Refusal("too_large", f"The request is over {MAX_REQUEST_BYTES} bytes.")
    try:
        request = json.loads(raw or b"{}")
    except ValueError as error:
        raise Refusal("invalid_request", f"The request is no JSON: {error}.") from None
    if not isinstance(request, dict):
        raise Refusal("invalid_request", "The request must be a JSON object.")
    return request


def strings(request: Mapping[str, Any], field: str) -> list[str]:
    """A field that is a list of strings; absent means empty."""
    value = request.get(field) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refusal("invalid_request", f"`{field}` must be a list of strings.")
    return value


def text(request: Mapping[str, Any], field: str) -> str | None:
    value = request.get(field)
    if value is not None and not isinstance(value, str):
        raise Refusal("invalid_request", f"`{field}` must be a string.")
    return value or None


def required_text(request: Mapping[str, Any], field: str) -> str:
    value = text(request, field)
    if value is None:
        raise Refusal("invalid_request", f"`{field}` is required.")
    return value


def seconds(request: Mapping[str, Any], field: str, default: float, most: float) -> float:
    value = request.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Refusal("invalid_request", f"`{field}` must be a positive number of seconds.")
    return min(float(value), most)
