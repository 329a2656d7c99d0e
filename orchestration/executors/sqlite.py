"""SQLite for tools: opened read-only by URI, with an authorizer and a clock inside the engine."""

import json
import sqlite3
import time
from typing import Any
from urllib.parse import quote

from orchestration.executors.statements import Query, QueryFailed, QueryTimedOut, answer

STEPS = 2_000
READS = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
NEVER = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA})
FUNCTIONS = frozenset({"load_extension", "writefile", "readfile", "edit", "fts3_tokenizer"})


def run(address: str, query: Query) -> dict[str, Any]:
    """The answer of the file that `sqlite:<path>` names. Raises QueryFailed and QueryTimedOut."""
    mode = "rw" if query.may_write else "ro"
    uri = f"file:{quote(address.removeprefix('sqlite:').removeprefix('//'))}?mode={mode}"
    until = time.monotonic() + query.seconds
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=query.seconds, isolation_level=None)
    except sqlite3.Error as error:
        raise QueryFailed(f"The database can't be opened: {error}.") from error
    try:
        _bound(connection, query, until)
        return _answer(connection, query)
    except sqlite3.OperationalError as error:
        if time.monotonic() >= until:
            raise QueryTimedOut from error
        raise QueryFailed(str(error)) from error
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        raise QueryFailed(str(error)) from error
    finally:
        connection.close()


def _bound(connection: sqlite3.Connection, query: Query, until: float) -> None:
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute(f"PRAGMA query_only={'OFF' if query.may_write else 'ON'}")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(query.bytes * 2, 1 << 20))
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_progress_handler(lambda: int(time.monotonic() >= until), STEPS)

    def allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in NEVER or (action == sqlite3.SQLITE_FUNCTION and second in FUNCTIONS):
            return sqlite3.SQLITE_DENY
        if action in READS or query.may_write:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    connection.set_authorizer(allowed)


def _parameters(given: Any) -> Any:
    if isinstance(given, dict):
        return {name: _adapted(value) for name, value in given.items()}
    return tuple(_adapted(value) for value in given)


def _adapted(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _answer(connection: sqlite3.Connection, query: Query) -> dict[str, Any]:
    parameters = _parameters(query.parameters)
    if not query.may_write:
        cursor = connection.execute(query.text, parameters)
        return answer([column[0] for column in cursor.description or ()], cursor, query)
    connection.execute("BEGIN IMMEDIATE")
    try:
        cursor = connection.execute(query.text, parameters)
        found = answer([column[0] for column in cursor.description or ()], cursor, query)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found | {"changed": max(cursor.rowcount, 0)}
