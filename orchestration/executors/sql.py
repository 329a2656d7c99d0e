"""Runs one statement on a named database: SQLite by the file, PostgreSQL by the driver."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings

from orchestration.executors import postgres, sqlite, statements
from orchestration.executors.invocation import Invocation, Result, failed, timed_out
from orchestration.executors.secrets import PLACEHOLDER, Secrets
from orchestration.executors.statements import Query, QueryFailed, QueryTimedOut

ROWS = 1_000
READ, WRITE = "read", "write"


def execute(invocation: Invocation) -> Result:
    """Run `arguments.query` with `arguments.parameters`; the result is `{columns, rows, row_count,
    truncated, statement}`.

    The database is named by `config.database` (one name, or one per environment), else by
    `arguments.database`, and its address is the operator's; or `config.dsn` (one, or one per
    environment) is a PostgreSQL address with the password as a secret. No argument is an address.
    Anything but reading takes `mode: write` in the arguments, and neither a tool nor a verdict that
    says `read`. Raises SecretUnavailable.
    """
    try:
        address = _address(invocation)
    except QueryFailed as error:
        return failed(error.reason, str(error))
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
    try:
        if dialect == "sqlite":
            found = sqlite.run(address, query)
        else:
            found = postgres.run(invocation.tool, address, query)
        return Result("succeeded", found | {"statement": kind})
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
    return _of_environment(named, invocation.environment)


def _of_environment(said: Any, environment: str) -> str:
    return str(said.get(environment, "") if isinstance(said, Mapping) else said)


def _address(invocation: Invocation) -> str | None:
    """The tool's own, filled at this last moment; else what is behind the name: the operator's
    setting, or a SQLite file in the home."""
    if invocation.config.get("dsn"):
        dsn = _of_environment(invocation.config["dsn"], invocation.environment)
        return postgres.address_of(_filled(dsn, invocation.secrets))
    name = _name(invocation)
    configured: Mapping[str, str] = getattr(settings, "TOOL_DATABASES", {})
    if name in configured:
        return configured[name]
    folder = settings.VAR / "databases"
    path = folder / f"{name}.sqlite3"
    if not name.isidentifier() or not path.is_file():
        return None
    # A link out of the folder leads to a file that nobody meant to offer.
    within = path.resolve().is_relative_to(folder.resolve())
    return f"sqlite:{path.resolve()}" if within else None


def _filled(dsn: str, secrets: Secrets) -> str:
    """The address with its secrets; within a longer text they are quoted as parts of a URL."""
    if PLACEHOLDER.fullmatch(dsn):
        return str(secrets.fill(dsn))
    return PLACEHOLDER.sub(lambda found: quote(secrets.fill(found[0]), safe=""), dsn)


def _unknown(invocation: Invocation) -> str:
    name = _name(invocation)
    return (
        f"There is no database {name!r} for {invocation.environment}. "
        f"The operator sets TOOL_DATABASE_{name.upper()}, or puts {name}.sqlite3 under "
        "`databases` in the home."
    )
