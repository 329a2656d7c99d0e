"""PostgreSQL for tools: one statement in a read-only transaction, with the server's own clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from threading import Timer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from psycopg import conninfo, errors
from psycopg.types.json import Jsonb

from orchestration.executors import connections
from orchestration.executors.statements import Query, QueryFailed, QueryTimedOut, answer

# What a tool's own address may say beside host, port, name, user and password: nothing that names
# a file or a program of this machine.
OPTIONS = frozenset({"sslmode", "target_session_attrs", "channel_binding"})
GRACE = 1.0
DECLARE = b"DECLARE gatehouse_answer NO SCROLL CURSOR FOR "
FETCH = b"FETCH FORWARD %d FROM gatehouse_answer"


def run(tool: str, address: str, query: Query) -> dict[str, Any]:
    """The answer of the database that `postgres://…` names. Raises QueryFailed, QueryTimedOut.

    The extended protocol takes one statement at a time, so that nothing can end the transaction
    and go on behind it. The server ends it when its time is up; where the server doesn't, a cancel
    request does.
    """
    writes, seconds = query.may_write, query.seconds
    try:
        with connections.lent(tool, address, writes=writes, seconds=seconds) as connection:
            connection.read_only = not writes
            milliseconds = max(int(seconds * 1000), 1)
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true), "
                "set_config('lock_timeout', %s, true), "
                "set_config('idle_in_transaction_session_timeout', %s, true)",
                (str(milliseconds), str(milliseconds), str(milliseconds + 5_000)),
            )
            with _cancelled_after(connection, seconds + GRACE):
                found = _answer(connection, query)
            if writes:
                connection.commit()
            return found
    except (errors.QueryCanceled, errors.LockNotAvailable) as error:
        raise QueryTimedOut from error
    except (psycopg.Error, ValueError, OverflowError) as error:
        raise QueryFailed(str(error).strip()) from error


def address_of(dsn: str) -> str:
    """The connection string of an address that stands in a tool's configuration.

    Raises QueryFailed; the message never holds the address, which holds a password.
    """
    try:
        parts = urlsplit(dsn)
        port, options = parts.port, dict(parse_qsl(parts.query))
    except ValueError:
        raise QueryFailed("The tool's dsn is no address.", "invalid_dsn") from None
    if parts.scheme not in ("postgres", "postgresql") or not parts.hostname:
        told = "The tool's dsn isn't postgres://USER:PASSWORD@HOST:PORT/NAME."
        raise QueryFailed(told, "invalid_dsn")
    if set(options) - OPTIONS or not parts.path.strip("/"):
        told = f"The tool's dsn names a database, and no options but {', '.join(sorted(OPTIONS))}."
        raise QueryFailed(told, "invalid_dsn")
    return conninfo.make_conninfo(
        host=parts.hostname,
        port=port or 5432,
        dbname=unquote(parts.path.strip("/")),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        # Without these, libpq would look into files and variables of the platform's own.
        passfile="/dev/null",
        sslcert="/dev/null",
        sslkey="/dev/null",
        sslrootcert="system" if options.get("sslmode") == "verify-full" else "/dev/null",
        **options,
    )


@contextmanager
def _cancelled_after(connection: Any, seconds: float) -> Iterator[None]:
    timer = Timer(seconds, connection.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _answer(connection: Any, query: Query) -> dict[str, Any]:
    parameters = _bound(query.parameters)
    with connection.cursor() as cursor:
        if query.may_write:
            # Prepared: the extended protocol, also without parameters.
            cursor.execute(query.text.encode(), parameters, prepare=True)
            rows: Iterator[Any] = iter(cursor) if cursor.description else iter(())
            found = answer(_columns(cursor), rows, query)
            return found | {"changed": max(cursor.rowcount, 0)}
        # The server lets a cursor be declared for a query alone: `COPY … TO PROGRAM`, which a
        # read-only transaction does not keep a superuser from, is a mistake of syntax here.
        cursor.execute(DECLARE + query.text.encode(), parameters, prepare=True)
        # Row by row, and no more than are wanted. Closing it early cancels the rest.
        rows = cursor.stream(FETCH % (query.rows + 1))
        first = next(rows, None)
        try:
            every = chain([first] if first is not None else [], rows)
            return answer(_columns(cursor), every, query)
        finally:
            rows.close()  # type: ignore[attr-defined]


def _bound(parameters: Any) -> Any:
    if not parameters:
        return None
    if isinstance(parameters, dict):
        return {name: _adapted(value) for name, value in parameters.items()}
    return [_adapted(value) for value in parameters]


def _adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict) else value


def _columns(cursor: Any) -> list[str]:
    return [column.name for column in cursor.description or ()]
