"""The one clock: the database's, plus an offset that tests may set. Read once per operation."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from django.db import connection

_offset: ContextVar[timedelta] = ContextVar("clock_offset", default=timedelta())
_frozen: ContextVar[datetime | None] = ContextVar("clock_frozen", default=None)


def now() -> datetime:
    """The database's wall clock in UTC, which moves on within a transaction."""
    frozen = _frozen.get()
    if frozen is not None:
        return frozen + _offset.get()
    return _database_now() + _offset.get()


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
