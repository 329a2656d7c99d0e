"""Prepared statements that travel together: sent at once, answered at once.

A trip to the database costs more than most statements. Inside `together` what is written waits, and
each statement is taken to change what it is meant to: an insert its rows, an update one. A question
takes along what waits before it, and the end of the block the rest. Where one changed something
else, `Unlike` is raised: the transaction is undone, and its owner goes the careful way, one by one.

Questions that are sure to come are told `ahead`: the first that is asked takes the others along.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
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
        waiting, self.waiting = self.waiting, []
        with told():
            sent = sent_at_once([*(statement for statement, _ in waiting), *questions])
        for cursor, (statement, rows) in zip(sent, waiting, strict=False):
            _compare(cursor.rowcount, rows, statement[0])
        return sent[len(waiting) :]


def _compare(changed: int, rows: int, sql: str) -> None:
    if changed != rows:
        raise Unlike(f"{changed} rows instead of {rows}: {sql[:80]}")


def sent_at_once(statements: Sequence[Statement]) -> "list[psycopg.Cursor[Any]]":
    """Their cursors, after one trip to PostgreSQL."""
    own: Any = connections[DEFAULT_DB_ALIAS]
    own.ensure_connection()
    own.validate_no_broken_transaction()
    several = own.connection.pipeline() if len(statements) > 1 else nullcontext()
    with own.wrap_database_errors, several:
        return [
            psycopg.Cursor(own.connection).execute(sql, parameters, prepare=True)
            for sql, parameters in statements
        ]


@dataclass
class Ahead:
    """Questions that are sure to come, and the rows of those that were sent. Each set of rows is
    given once: who asks again wants to know what has changed."""

    waiting: list[Statement]
    known: list[tuple[Statement, list[Any]]] = field(default_factory=list)

    def answer(self, question: Statement) -> list[Any] | None:
        """The rows, where they are known already."""
        for place, (known, rows) in enumerate(self.known):
            if known == question:
                del self.known[place]
                return rows
        return None

    def asked(self, question: Statement) -> list[Any]:
        """The question's rows, and those of all that wait, in one trip."""
        others = [each for each in self.waiting if each != question]
        found, *more = sent_at_once([question, *others])
        self.waiting = []
        self.known += [(each, cursor.fetchall()) for each, cursor in zip(others, more, strict=True)]
        return found.fetchall()


_told: ContextVar[Ahead | None] = ContextVar("questions_ahead", default=None)


def told_ahead() -> Ahead | None:
    """The questions that this operation is sure to ask."""
    return _told.get()


@contextmanager
def ahead(*questions: Statement) -> Iterator[None]:
    """These will be asked inside, outside of a transaction or in one that is yet to begin. What
    they find is as old as the first question."""
    token = _told.set(Ahead(list(questions)))
    try:
        yield
    finally:
        _told.reset(token)


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
