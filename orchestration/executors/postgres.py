"""PostgreSQL for tools: one statement in a read-only transaction, with the server's own clock."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import psycopg
from psycopg import errors

from orchestration.executors.statements import Query, QueryFailed, QueryTimedOut, answer


def run(address: str, query: Query) -> dict[str, Any]:
    """The answer of the database that `postgres://…` names. Raises QueryFailed, QueryTimedOut.

    The extended protocol takes one statement at a time, so that nothing can end the transaction
    and go on behind it.
    """
    milliseconds = max(int(query.seconds * 1000), 1)
    try:
        with psycopg.connect(
            address, connect_timeout=max(int(query.seconds), 1), application_name="gatehouse tool"
        ) as connection:
            connection.read_only = not query.may_write
            connection.execute(
                "SELECT set_config('statement_timeout', %s, false), "
                "set_config('idle_in_transaction_session_timeout', %s, false)",
                (str(milliseconds), str(milliseconds + 5_000)),
            )
            return _answer(connection, query)
    except errors.QueryCanceled as error:
        raise QueryTimedOut from error
    except (psycopg.Error, ValueError, OverflowError) as error:
        raise QueryFailed(str(error).strip()) from error


def _answer(connection: "psycopg.Connection[Any]", query: Query) -> dict[str, Any]:
    with connection.cursor() as cursor:
        if query.may_write:
            # Prepared: the extended protocol, also without parameters.
            cursor.execute(query.text.encode(), query.parameters or None, prepare=True)
            rows: Iterator[Any] = iter(cursor) if cursor.description else iter(())
            found = answer(_columns(cursor), rows, query)
            return found | {"changed": max(cursor.rowcount, 0)}
        # Row by row: an unlimited answer would be read into memory whole.
        rows = cursor.stream(query.text.encode(), query.parameters or None)
        first = next(rows, None)
        return answer(_columns(cursor), chain([first] if first is not None else [], rows), query)


def _columns(cursor: "psycopg.Cursor[Any]") -> list[str]:
    return [column.name for column in cursor.description or ()]
