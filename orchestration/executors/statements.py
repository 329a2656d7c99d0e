"""What a statement does, by its syntax tree, and how a query and its failures look."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlglot
from sqlglot import errors, exp

from orchestration.executors.functions import PURE

MAX_LENGTH = 100_000
READING = (exp.Query, exp.Values)
WRITING = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter,
    exp.TruncateTable, exp.Command, exp.Set, exp.Pragma, exp.Attach, exp.Detach, exp.Copy,
    exp.Into, exp.Transaction, exp.Commit, exp.Rollback, exp.Use, exp.Grant, exp.Lock,
    exp.Analyze, exp.Describe, exp.Show, exp.Kill, exp.Operator,
)  # fmt: skip


@dataclass(frozen=True)
class Query:
    """One statement and its bounds: seconds, rows, and bytes of all values together."""

    text: str
    parameters: Sequence[Any] | Mapping[str, Any]
    may_write: bool
    seconds: float
    rows: int
    bytes: int


class QueryFailed(Exception):
    """The database said no, or the answer is over a bound."""

    def __init__(self, message: str, reason: str = "query_failed") -> None:
        super().__init__(message)
        self.reason = reason


class QueryTimedOut(Exception):
    """The statement was ended at its time limit."""


def classify(text: str, dialect: str) -> str:
    """`read` for one statement that is sure to only read; else `write`. Unknown means write."""
    if len(text) > MAX_LENGTH:
        return "write"
    try:
        parsed = [each for each in sqlglot.parse(text, read=dialect) if each is not None]
    except (errors.SqlglotError, RecursionError, ValueError):
        return "write"
    if len(parsed) != 1 or not isinstance(parsed[0], READING):
        return "write"
    if any(True for _ in parsed[0].find_all(*WRITING)) or not _computes(parsed[0], dialect):
        return "write"
    return "read"


def _computes(statement: exp.Expr, dialect: str) -> bool:
    """Whether every function is one that only computes, as far as its name tells."""
    pure = PURE[dialect]
    for function in statement.find_all(exp.Anonymous):
        # One that sqlglot knows stands here by its name when a schema stands before it.
        name = function.name
        if name.lower() not in pure and name.upper() not in exp.FUNCTION_BY_NAME:
            return False
    for dot in statement.find_all(exp.Dot):
        # `theirs.lower(x)` is another function than `lower(x)`.
        if isinstance(dot.expression, exp.Func) and dot.this.name.lower() != "pg_catalog":
            return False
    return True


def answer(columns: Sequence[str], rows: Iterable[Sequence[Any]], query: Query) -> dict[str, Any]:
    """The rows as JSON, cut at the row limit or the byte limit; `truncated` and `cut` say so.

    Raises QueryFailed where not even the first row fits.
    """
    kept: list[list[Any]] = []
    taken, cut = 0, ""
    for row in rows:
        plain = [_plain(value) for value in row]
        taken += len(json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace"))
        if len(kept) == query.rows or taken > query.bytes:
            cut = "rows" if len(kept) == query.rows else "bytes"
            break
        kept.append(plain)
    if cut == "bytes" and not kept:
        raise QueryFailed(
            f"The first row alone has more than {query.bytes} bytes. Ask for less.",
            "output_exceeded",
        )
    found = {"columns": list(columns), "rows": kept, "row_count": len(kept)}
    return found | {"truncated": bool(cut)} | ({"cut": cut} if cut else {})


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)
