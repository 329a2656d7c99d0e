"""Prepared statements that travel together: sent at once, answered at once.

A trip to the database costs more than most statements. Inside `atomically` what is written waits
for the end of the block, and each statement is taken to change what it is meant to: an insert its
rows, an update one. Where one changes something else, `Unlike` is raised: nothing is written, and
its owner goes the careful way, one by one.

Questions that are sure to come are told `ahead`: the first that is asked takes the others along.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, connections, transaction

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

    def answers(self, question: Statement) -> None:
        """Raises Unlike for a question that would overtake what waits."""
        if self.waiting:
            raise Unlike(f"asked after what waits: {question[0][:80]}")

    def send(self) -> None:
        """Send what waits, as one statement that fails where a part of it changes more or fewer
        rows than it is taken to. Raises Unlike."""
        if not self.waiting:
            return
        parts = tuple((sql, rows) for (sql, _), rows in self.waiting)
        parameters = [each for (_, several), _ in self.waiting for each in several]
        try:
            with told():
                sent_at_once([(_joined(parts), parameters)])
        except DataError as error:
            if _MARK not in str(error):
                raise
            raise Unlike(str(error)) from error


_MARK = "not the rows that were meant"


@lru_cache(maxsize=128)
def _joined(parts: tuple[tuple[str, int], ...]) -> str:
    """One statement of several. PostgreSQL has no assertion; to read words as a number is one, and
    tells in the server's log what it was about."""
    several = ", ".join(f"s{at} AS ({sql} RETURNING 1)" for at, (sql, _) in enumerate(parts))
    counts = ", ".join(f"(SELECT count(*) FROM s{at})" for at in range(len(parts)))  # noqa: S608
    meant = ",".join(str(rows) for _, rows in parts)
    return (
        f"WITH {several}, changed AS MATERIALIZED (SELECT concat_ws(',', {counts}) AS rows) "  # noqa: S608
        f"SELECT CASE WHEN rows = '{meant}' THEN 1 "
        f"ELSE CAST('{_MARK} ({meant}): ' || rows AS integer) END FROM changed"
    )


def _compare(changed: int, rows: int, sql: str) -> None:
    if changed != rows:
        raise Unlike(f"{changed} rows instead of {rows}: {sql[:80]}")


def keeps_plans(own: Any) -> bool:
    """Whether to go to the server's prepared statements, past Django's cursor; not while somebody
    watches the statements or stands in their way."""
    plain = not own.execute_wrappers and not own.queries_logged
    return plain and own.vendor == "postgresql" and bool(settings.DATABASE_PREPARED)


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
def atomically() -> Iterator[None]:
    """A transaction of prepared statements alone: all of them, or none and Unlike.

    Where the server keeps plans they go as one statement, a transaction by itself: it takes one
    trip, and its locks are held for no longer than that. So no two of them may change one row, a
    question comes before all that is written, and nothing inside may ask to be called on commit.
    """
    own: Any = connections[DEFAULT_DB_ALIAS]
    is_whole = keeps_plans(own) and not own.in_atomic_block
    batch = Batch()
    with nullcontext() if is_whole else transaction.atomic(durable=True):
        token = _open.set(batch)
        try:
            yield
            batch.send()
        finally:
            _open.reset(token)
