"""The databases' own parts of the index, which Django's models have no words for.

`post_migrate` makes what is missing, as it does for the triggers of append-only tables: whatever
remade the table, the index is there again, and tools that were published before have their entries,
with all that entries say today.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Q

from registry.discovery import documents, entries
from registry.models import Tool

_SQLITE = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS registry_tooltext USING fts5(
         name, description, tags, parameters,
         tokenize = "porter unicode61 remove_diacritics 2", prefix = '2 3')""",
)
_POSTGRES = (
    "ALTER TABLE registry_toolentry ADD COLUMN IF NOT EXISTS document tsvector",
    "ALTER TABLE registry_toolentry ADD COLUMN IF NOT EXISTS names tsvector",
    """CREATE INDEX IF NOT EXISTS registry_toolentry_document
       ON registry_toolentry USING gin (document)""",
    """CREATE INDEX IF NOT EXISTS registry_toolentry_names
       ON registry_toolentry USING gin (names)""",
    # What was written lately waits outside of the index, and each search reads all of that: in kB.
    "ALTER INDEX registry_toolentry_document SET (gin_pending_list_limit = 64)",
    "ALTER INDEX registry_toolentry_names SET (gin_pending_list_limit = 64)",
)


def install(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Make what is missing, where the entries' table exists."""
    connection = connections[using]
    if "registry_toolentry" not in connection.introspection.table_names():
        return
    statements = _POSTGRES if connection.vendor == "postgresql" else _SQLITE
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    catch_up(using)


def catch_up(using: str = DEFAULT_DB_ALIAS) -> None:
    """Write the entries of tools that have none, and those that say less than today's."""
    published = Tool.objects.using(using).filter(
        live_version__isnull=False, removed_at__isnull=True
    )
    behind = published.filter(
        Q(entry__isnull=True) | ~Q(entry__facts__has_key=documents.NEWEST_FACT)
    )
    entries.refresh_all(list(behind.select_related("live_version")))
