"""The one clock: the database's, plus an offset that tests may set. Read once per operation."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Func

# For how long an operation counts on from a reading by this machine's own steady clock.
FRESH_SECONDS = 5.0

_offset: ContextVar[timedelta] = ContextVar("clock_offset", default=timedelta())
_frozen: ContextVar[datetime | None] = ContextVar("clock_frozen", default=None)
# It counts on while the machine sleeps, where there is such a clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _steady() -> float:
    return time.clock_gettime(_STEADY)


@dataclass
class _Reading:
    """What the database's clock said, and when by the steady clock it was read."""

    moment: datetime | None = None
    taken: float = 0.0

    def now(self) -> datetime:
        elapsed = _steady() - self.taken
        if self.moment is None or elapsed > FRESH_SECONDS:
            return self.read(_database_now())
        return self.moment + timedelta(seconds=elapsed)

    def read(self, moment: datetime) -> datetime:
        self.moment, self.taken = moment, _steady()
        return moment


_operation: ContextVar[_Reading | None] = ContextVar("clock_operation", default=None)


def now() -> datetime:
    """The database's wall clock in UTC, which moves on within a transaction."""
    frozen = _frozen.get()
    if frozen is not None:
        return frozen + _offset.get()
    reading = _operation.get()
    return (reading.now() if reading else _database_now()) + _offset.get()


@contextmanager
def operation() -> Iterator[None]:
    """Everything inside counts on from one reading of the database's clock, renewed after 5 s.

    Inside another operation it changes nothing.
    """
    if _operation.get() is not None:
        yield
        return
    token = _operation.set(_Reading())
    try:
        yield
    finally:
        _operation.reset(token)


def heard(moment: datetime | None) -> None:
    """A query that asked for `DatabaseClock` beside its rows tells the operation what it heard."""
    reading = _operation.get()
    if reading is not None and moment is not None:
        reading.read(moment)


class DatabaseClock(Func):
    """The database's clock as a column of a query: it saves the operation a statement of its own.

    NULL on SQLite, where the clock costs no statement.
    """

    template = "clock_timestamp()"
    output_field = DateTimeField()

    def __init__(self) -> None:
        super().__init__()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="NULL", **context)


def _database_now() -> datetime:
    if connection.vendor == "sqlite":
        # The library runs in this process, so its clock is this machine's clock.
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment.astimezone(UTC)


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """Everything inside reads a clock that is `by` ahead."""
    token = _offset.set(_offset.get() + by)
    try:
        yield
    finally:
        _offset.reset(token)


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Everything inside reads `at`, plus whatever `shifted` adds."""
    token = _frozen.set(at)
    try:
        yield
    finally:
        _frozen.reset(token)
