"""Whether what this process keeps of the index is still what the database holds.

The count of the entries and the sum of their stamps change with every change, whatever the order in
which transactions commit: no sequence or time does that. Asking costs about a millisecond at 10,000
tools, and is done at most once a second, unless this process itself wrote.
"""

import threading
import time

from django.db import connection, transaction

from registry.models.search import ToolEntry

SECONDS = 1.0

State = tuple[str, int, int]
"""The database's name, the count of entries, and the sum of their stamps."""

_lock = threading.Lock()
_last: tuple[float, State] | None = None


def state() -> State:
    """What the index was like at most a second ago."""
    global _last
    kept = _last
    if kept is not None and time.monotonic() - kept[0] < SECONDS and kept[1][0] == _name():
        return kept[1]
    asked = time.monotonic()
    found = _asked()
    with _lock:
        _last = (asked, found)
    return found


def _asked() -> State:
    # On one index alone, which both databases can answer from.
    table = ToolEntry._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(stamp), COALESCE(SUM(stamp), 0) FROM {table}")  # noqa: S608
        count, total = cursor.fetchone()
    return _name(), int(count), int(total)


def _name() -> str:
    return str(connection.settings_dict["NAME"])


def changed() -> None:
    """This process writes to the index: what it knows of it is void, now and after the commit."""
    forget()
    transaction.on_commit(forget, robust=True)


def forget() -> None:
    global _last
    with _lock:
        _last = None
