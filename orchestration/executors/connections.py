"""Connections to tools' PostgreSQL databases, kept between calls.

One belongs to one tool, one address and one way of using it (reading or writing), so that nothing
that a session remembers ever passes from a tool to another.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg

IDLE_SECONDS = 60.0
IDLE_EACH = 2
IDLE_TOTAL = 16

Connection = "psycopg.Connection[Any]"
Key = tuple[str, str, bool]

_idle: dict[Key, list[tuple[float, Any]]] = {}
_lock = Lock()


@contextmanager
def lent(tool: str, address: str, *, writes: bool, seconds: float) -> Iterator[Any]:
    """A connection for one statement, taken back with its session wiped, or closed after any
    error: only one that is known to be clean is kept. Raises psycopg.Error."""
    key = (tool, hashlib.sha256(address.encode()).hexdigest(), writes)
    connection = _taken(key) or _opened(address, seconds)
    try:
        yield connection
        # A rollback, also after a commit: it is what makes the driver forget its prepared ones.
        connection.execute("SELECT 1")
        connection.rollback()
        connection.autocommit = True
        # Settings, temporary tables, advisory locks, prepared statements, LISTENs, the role.
        connection.execute("DISCARD ALL")
    except BaseException:
        connection.close()
        raise
    _keep(key, connection)


def _taken(key: Key) -> Any:
    """An idle connection that still answers, if there is one."""
    while True:
        with _lock:
            waiting = _idle.get(key)
            if not waiting:
                return None
            since, connection = waiting.pop()
        if time.monotonic() - since < IDLE_SECONDS and _answers(connection):
            connection.autocommit = False
            return connection
        connection.close()


def _answers(connection: Any) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return not connection.closed


def _opened(address: str, seconds: float) -> Any:
    return psycopg.connect(
        address,
        connect_timeout=max(int(seconds), 1),
        application_name="gatehouse tool",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=2,
        tcp_user_timeout=max(int(seconds * 1000), 1_000) + 5_000,
    )


def _keep(key: Key, connection: Any) -> None:
    now = time.monotonic()
    with _lock:
        waiting = _idle.setdefault(key, [])
        waiting.append((now, connection))
        surplus = [waiting.pop(0)] if len(waiting) > IDLE_EACH else []
        for other in list(_idle):
            old = [each for each in _idle[other] if now - each[0] >= IDLE_SECONDS]
            _idle[other] = [each for each in _idle[other] if each not in old]
            surplus += old
            if not _idle[other]:
                del _idle[other]
        while sum(map(len, _idle.values())) > IDLE_TOTAL:
            oldest = min(_idle, key=lambda each: _idle[each][0][0])
            surplus.append(_idle[oldest].pop(0))
            if not _idle[oldest]:
                del _idle[oldest]
    for _, each in surplus:
        each.close()


def close_all() -> None:
    """Close what is idle."""
    with _lock:
        found = [each for waiting in _idle.values() for each in waiting]
        _idle.clear()
    for _, connection in found:
        connection.close()
