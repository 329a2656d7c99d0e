"""What a statement does, by its syntax tree, and how a query and its failures look."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import errors, exp

MAX_LENGTH = 100_000
READING = (exp.Query, exp.Values)
WRITING = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter,
    exp.TruncateTable, exp.Command, exp.Set, exp.Pragma, exp.Attach, exp.Detach, exp.Copy,
    exp.Into, exp.Transaction, exp.Commit, exp.Rollback, exp.Use, exp.Grant, exp.Lock,
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
    writes = any(True for _ in parsed[0].find_all(*WRITING))
    return "write" if writes else "read"


def answer(columns: Sequence[str], rows: Iterable[Sequence[Any]], query: Query) -> dict[str, Any]:
    """The rows as JSON, cut at the row limit. Raises QueryFailed over the byte limit."""
    kept: list[list[Any]] = []
    taken, truncated = 0, False
    for row in rows:
        if len(kept) == query.rows:
            truncated = True
            break
        plain = [_plain(value) for value in row]
        taken += sum(len(str(value)) for value in plain)
        if taken > query.bytes:
            raise QueryFailed(
                f"The answer has more than {query.bytes} bytes. Ask for less.", "output_exceeded"
            )
        kept.append(plain)
    return {"columns": list(columns), "rows": kept, "row_count": len(kept), "truncated": truncated}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)
