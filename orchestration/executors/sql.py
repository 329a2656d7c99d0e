"""Runs one statement on a named database: SQLite by the file, PostgreSQL by the driver."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from orchestration.executors import postgres, sqlite, statements
from orchestration.executors.invocation import Invocation, Result, failed, timed_out
from orchestration.executors.statements import Query, QueryFailed, QueryTimedOut

ROWS = 1_000
READ, WRITE = "read", "write"


def execute(invocation: Invocation) -> Result:
    """Run `arguments.query` with `arguments.parameters`; the result is `{columns, rows, row_count,
    truncated, statement}`.

    The database is named by `config.database` (one name, or one per environment), else by
    `arguments.database`; its address is the operator's, never an argument's. Anything but reading
    takes `mode: write` in the arguments, and neither a tool nor a verdict that says `read`.
    """
    address = _address(invocation)
    if address is None:
        return failed("unknown_database", _unknown(invocation))
    dialect = "sqlite" if address.startswith("sqlite:") else "postgres"
    text = str(invocation.arguments["query"])
    kind = statements.classify(text, dialect)
    may_write = _may_write(invocation)
    if kind != READ and not may_write:
        return failed(
            "write_refused",
            "Only reading is allowed here, and this statement may write. Ask with mode=write "
            "where the tool has it; policy may want an approval.",
            statement=kind,
        )
    query = Query(
        text=text,
        parameters=invocation.arguments.get("parameters") or (),
        may_write=may_write,
        seconds=float(invocation.limits["timeout"]),
        rows=min(int(invocation.limits.get("rows", ROWS)), _rows(invocation.config)),
        bytes=int(invocation.limits["output"]),
    )
    run = sqlite.run if dialect == "sqlite" else postgres.run
    try:
        return Result("succeeded", run(address, query) | {"statement": kind})
    except QueryTimedOut:
        return timed_out(f"The statement took longer than {query.seconds:g} s.")
    except QueryFailed as error:
        return failed(error.reason, str(error))


def _may_write(invocation: Invocation) -> bool:
    """Only where the call asks for it, and neither the tool nor the verdict says `read`."""
    asked = invocation.arguments.get("mode") == WRITE
    return asked and READ not in (invocation.config.get("mode"), invocation.limits.get("access"))


def _rows(config: Mapping[str, Any]) -> int:
    return int(config.get("max_rows", ROWS))


def _name(invocation: Invocation) -> str:
    asked = invocation.arguments.get("database", "")
    named = invocation.config.get("database", asked)
    return str(named.get(invocation.environment, "") if isinstance(named, Mapping) else named)


def _address(invocation: Invocation) -> str | None:
    """The address behind the name: the operator's setting, or a SQLite file in the home."""
    name = _name(invocation)
    configured: Mapping[str, str] = getattr(settings, "TOOL_DATABASES", {})
    if name in configured:
        return configured[name]
    path = settings.VAR / "databases" / f"{name}.sqlite3"
    return f"sqlite:{path}" if name.isidentifier() and path.is_file() else None


def _unknown(invocation: Invocation) -> str:
    name = _name(invocation)
    return (
        f"There is no database {name!r} for {invocation.environment}. "
        f"The operator sets TOOL_DATABASE_{name.upper()}, or puts {name}.sqlite3 under "
        "`databases` in the home."
    )
