"""The databases' own full-text indexes: written with an entry, asked for the ids that match.

SQLite has FTS5 and ranks by BM25. PostgreSQL has `tsvector` with a GIN index; its ranks know
nothing of how rare a word is, so that is weighed here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection

from registry.discovery.documents import Document
from registry.discovery.terms import Terms

# Name, description, tags, parameters.
BM25_WEIGHTS = "10.0, 3.0, 4.0, 1.0"
# D, C, B, A: parameters, tags, description, name.
TS_WEIGHTS = "{0.1, 0.4, 0.3, 1.0}"


@dataclass(frozen=True)
class Scored:
    """An entry that matches; a higher score is better, and means nothing beyond the query."""

    id: int
    score: float


def write(documents: Iterable[tuple[int, Document]]) -> None:
    """Index these documents under their entries' ids, in the caller's transaction."""
    rows = list(documents)
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.executemany(
                """UPDATE registry_toolentry SET document =
                     setweight(to_tsvector('english', %s), 'A') ||
                     setweight(to_tsvector('english', %s), 'B') ||
                     setweight(to_tsvector('english', %s), 'C') ||
                     setweight(to_tsvector('english', %s), 'D')
                   WHERE id = %s""",
                [(d.name, _text(d.description), d.tags, _text(d.parameters), i) for i, d in rows],
            )
            return
        cursor.executemany(
            "DELETE FROM registry_tooltext WHERE rowid = %s", [(each,) for each, _ in rows]
        )
        cursor.executemany(
            "INSERT INTO registry_tooltext (rowid, name, description, tags, parameters) "
            "VALUES (%s, %s, %s, %s, %s)",
            [(i, d.name, d.description, d.tags, d.parameters) for i, d in rows],
        )


def _text(text: str) -> str:
    # Words of an underscore's name are one to PostgreSQL's parser.
    return text.replace("_", " ").replace("\x00", " ")


def remove(ids: Sequence[int]) -> None:
    """Forget these entries. PostgreSQL's index is a column of the row that goes with it."""
    if connection.vendor == "postgresql" or not ids:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "DELETE FROM registry_tooltext WHERE rowid = %s", [(each,) for each in ids]
        )


def clear() -> None:
    """Forget everything, also what no entry belongs to any more."""
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM registry_tooltext")


def with_all(terms: Terms) -> list[Scored]:
    """The entries with every word, best first."""
    return _asked(terms, " AND ", " & ")


def with_any(terms: Terms) -> list[Scored]:
    """The entries with any of the words, best first."""
    return _asked(terms, " OR ", " | ")


def _asked(terms: Terms, fts5: str, tsquery: str) -> list[Scored]:
    if not terms:
        return []
    if connection.vendor == "postgresql":
        return _postgres(terms, tsquery)
    return _sqlite(terms, fts5)


def _sqlite(terms: Terms, joint: str) -> list[Scored]:
    # Each word is an FTS5 string, and words hold neither quotes nor operators.
    parts = [f'"{word}"' for word in terms.words]
    if terms.open:
        parts[-1] += "*"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT rowid, bm25(registry_tooltext, {BM25_WEIGHTS}) AS score "  # noqa: S608
            "FROM registry_tooltext WHERE registry_tooltext MATCH %s ORDER BY score, rowid",
            [joint.join(parts)],
        )
        return [Scored(row, -score) for row, score in cursor.fetchall()]


def _postgres(terms: Terms, joint: str) -> list[Scored]:
    parts = [f"'{word}'" for word in terms.words]
    if terms.open:
        parts[-1] += ":*"
    ranks = ", ".join("ts_rank(%s::real[], document, to_tsquery('english', %s), 1)" for _ in parts)
    parameters = [value for part in parts for value in (TS_WEIGHTS, part)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {ranks} FROM registry_toolentry "  # noqa: S608
            "WHERE document @@ to_tsquery('english', %s)",
            [*parameters, joint.join(parts)],
        )
        return _weighed(cursor.fetchall())


def _weighed(rows: list[tuple[float, ...]]) -> list[Scored]:
    """A word counts for more the fewer of the found entries have it."""
    if not rows:
        return []
    found = [sum(1 for row in rows if row[place] > 0) for place in range(1, len(rows[0]))]
    weights = [math.log(1 + (len(rows) - n + 0.5) / (n + 0.5)) + 0.1 for n in found]
    scored = (
        Scored(int(row[0]), sum(w * r for w, r in zip(weights, row[1:], strict=True)))
        for row in rows
    )
    return sorted(scored, key=lambda each: (-each.score, each.id))
