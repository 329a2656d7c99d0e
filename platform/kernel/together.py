"""Prepared statements that travel together: sent at once, answered at once.

A trip to the database costs more than most statements. Inside `together` what is written waits, and
each statement is taken to change what it is meant to: an insert its rows, an update one. A question
takes along what waits before it, and the end of the block the rest. Where one changed something
else, `Unlike` is raised: the transaction is undone, and its owner goes the careful way, one by one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections

Statement = tuple[str, Sequence[Any]]


class Unlike(Exception):
    """A statement changed more or fewer rows than it was taken to, or broke a rule of the database.
    The careful way tells which."""


@dataclass
class Batch:
    """What waits to be sent, each with the number of rows that it is taken to change."""

    waiting: list[tuple[Statement, int]] = field(default_factory=list)

    def add(self, statement: Statement, rows: int) -> int:
        self.waiting.append((statement, rows))
        return rows

    def answer(self, question: Statement) -> list[Any]:
        """The question's rows, after all that waits. Raises Unlike."""
        found: list[Any] = self._sent([question])[0].fetchall()
        return found

    def send(self) -> None:
        """Send what waits. Raises Unlike."""
        if self.waiting:
            self._sent([])

    def _sent(self, questions: list[Statement]) -> "list[psycopg.Cursor[Any]]":
        own: Any = connections[DEFAULT_DB_ALIAS]
        waiting, self.waiting = self.waiting, []
        own.validate_no_broken_transaction()
        with told(), own.wrap_database_errors, own.connection.pipeline():
            written = [_executed(own, statement) for statement, _ in waiting]
            asked = [_executed(own, question) for question in questions]
        for cursor, (statement, rows) in zip(written, waiting, strict=True):
            _compare(cursor.rowcount, rows, statement[0])
        return asked


def _compare(changed: int, rows: int, sql: str) -> None:
    if changed != rows:
        raise Unlike(f"{changed} rows instead of {rows}: {sql[:80]}")


def _executed(own: Any, statement: Statement) -> "psycopg.Cursor[Any]":
    sql, parameters = statement
    return psycopg.Cursor(own.connection).execute(sql, parameters, prepare=True)


_open: ContextVar[Batch | None] = ContextVar("statements_together", default=None)


def current() -> Batch | None:
    """The batch that statements of this thread travel in."""
    return _open.get()


def checked(changed: int, rows: int, sql: str) -> int:
    """How many rows a statement changed that was sent at once. In a batch it must be as many as it
    was taken to change (raises Unlike)."""
    if current() is not None:
        _compare(changed, rows, sql)
    return changed


@contextmanager
def told() -> Iterator[None]:
    """In a batch, a broken rule of the database is `Unlike` as well: what a statement was taken to
    have done, a later one may rest on."""
    try:
        yield
    except IntegrityError as error:
        if current() is None:
            raise
        raise Unlike(str(error)) from error


@contextmanager
def together() -> Iterator[None]:
    """Only in a transaction that is undone when `Unlike` leaves it, and only around prepared
    statements: others overtake what waits. Where the server keeps no plans, nothing waits, and what
    changes something else raises `Unlike` at once."""
    batch = Batch()
    token = _open.set(batch)
    try:
        yield
        batch.send()
    finally:
        _open.reset(token)
