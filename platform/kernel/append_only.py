"""Tables that only grow: the database itself refuses UPDATE, DELETE and TRUNCATE on them.

An app registers its models in `AppConfig.ready`; `install` (run by `post_migrate`, since SQLite
drops triggers silently when a migration remakes a table) creates what is missing. There is no
switch that lets a statement through: whoever must change such a table (a test's flush, a migration
that moves data) uses `lifted`, which drops the triggers and puts them back in one transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

PREFIX = "append_only"
FUNCTION = "gatehouse_append_only"

_models: list[str] = []


def register(*labels: str) -> None:
    """Protect these models (`app_label.Model`): their rows are written once."""
    _models.extend(label for label in labels if label not in _models)


def tables() -> list[str]:
    """The protected tables."""
    return [_model(label)._meta.db_table for label in _models]


def _model(label: str) -> type[Model]:
    return apps.get_model(label)


def install(using: str = DEFAULT_DB_ALIAS) -> None:
    """Create the triggers that are missing, on the tables that exist."""
    connection = connections[using]
    absent = missing(using)
    if absent:
        with transaction.atomic(using=using), connection.cursor() as cursor:
            for statement in _creations(connection, absent):
                cursor.execute(statement)


def missing(using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """The existing tables that aren't fully protected."""
    connection = connections[using]
    existing = set(connection.introspection.table_names())
    found = _found(connection)
    return [
        table
        for table in tables()
        if table in existing and not set(_names(connection, table)) <= found
    ]


@contextmanager
def lifted(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Inside, protected tables can be changed by this transaction alone; at its end they are
    protected again. For a test's flush, and for a migration that must move data."""
    connection = connections[using]
    with transaction.atomic(using=using):
        with connection.cursor() as cursor:
            for table in tables():
                for statement in _removals(connection, table):
                    cursor.execute(statement)
        yield
        install(using)


def check(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """kernel.W002: a protected table can be changed. A warning, since an error would keep the
    remedy, `migrate`, from running."""
    return [
        Warning(
            f"The database lets rows of {table} be changed or deleted.",
            hint="Run `manage.py migrate`; it installs the missing triggers.",
            obj=alias,
            id="kernel.W002",
        )
        for alias in databases or ()
        for table in missing(alias)
    ]


def _names(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    verbs = (
        ("row", "truncate")
        if connection.vendor == "postgresql"
        else ("update", "delete", "replace")
    )
    # PostgreSQL cuts names at 63 bytes.
    return [f"{PREFIX}_{verb}_{table}"[:63] for verb in verbs]


def _found(connection: BaseDatabaseWrapper) -> set[str]:
    if connection.vendor == "postgresql":
        question = (
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND t.tgenabled <> 'D' AND t.tgname LIKE %s"
        )
    else:
        question = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s"
    with connection.cursor() as cursor:
        cursor.execute(question, [f"{PREFIX}%"])
        return {name for (name,) in cursor.fetchall()}


def _removals(connection: BaseDatabaseWrapper, table: str) -> Iterator[str]:
    on = f' ON "{table}"' if connection.vendor == "postgresql" else ""
    for name in _names(connection, table):
        if name in _found(connection):
            yield f'DROP TRIGGER "{name}"{on}'


def _creations(connection: BaseDatabaseWrapper, absent: list[str]) -> Iterator[str]:
    if connection.vendor == "postgresql":
        yield _POSTGRES_FUNCTION
        for table in absent:
            row, truncate = _names(connection, table)
            yield (
                f'CREATE OR REPLACE TRIGGER "{row}" BEFORE UPDATE OR DELETE ON "{table}" '
                f"FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()"
            )
            yield (
                f'CREATE OR REPLACE TRIGGER "{truncate}" BEFORE TRUNCATE ON "{table}" '
                f"FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()"
            )
        return
    for table in absent:
        yield from _sqlite(connection, table)


_POSTGRES_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""


def _sqlite(connection: BaseDatabaseWrapper, table: str) -> Iterator[str]:
    update, delete, replace = _names(connection, table)
    for name, verb in ((update, "UPDATE"), (delete, "DELETE")):
        yield (
            f'CREATE TRIGGER IF NOT EXISTS "{name}" BEFORE {verb} ON "{table}" '
            f"BEGIN SELECT RAISE(ABORT, '{table} only grows: {verb} is refused'); END"
        )
    # INSERT OR REPLACE deletes a row without firing DELETE triggers.
    key = next(
        _model(label)._meta.pk.column for label in _models if _model(label)._meta.db_table == table
    )
    holds = f'EXISTS (SELECT 1 FROM "{table}" WHERE "{key}" = NEW."{key}")'  # noqa: S608
    yield (
        f'CREATE TRIGGER IF NOT EXISTS "{replace}" BEFORE INSERT ON "{table}" WHEN {holds} '
        f"BEGIN SELECT RAISE(ABORT, '{table} only grows: a row can''t be replaced'); END"
    )
