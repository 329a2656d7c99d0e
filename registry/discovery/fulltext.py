"""The databases' own full-text indexes: written with an entry, asked for the ids that match.

SQLite has FTS5 and ranks by BM25. PostgreSQL has `tsvector` with a GIN index; its ranks know
nothing of how rare a word is, so that is weighed here.
"""

import math
from collections.abc import Iterable, Sequence

from django.db import connection

from registry.discovery.documents import Document
from registry.discovery.terms import Terms

# Name, description, tags, parameters.
BM25_WEIGHTS = "10.0, 3.0, 4.0, 1.0"
# D, C, B, A: parameters, tags, description, name.
TS_WEIGHTS = "{0.1, 0.4, 0.3, 1.0}"
# How many entries PostgreSQL ranks by where their words stand.
RANKED = 100


def write(documents: Iterable[tuple[int, Document]]) -> None:
    """Index these documents under their entries' ids, in the caller's transaction."""
    rows = list(documents)
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.executemany(
                """UPDATE registry_toolentry SET names = to_tsvector('english', %s), document =
                     setweight(to_tsvector('english', %s), 'A') ||
                     setweight(to_tsvector('english', %s), 'B') ||
                     setweight(to_tsvector('english', %s), 'C') ||
                     setweight(to_tsvector('english', %s), 'D')
                   WHERE id = %s""",
                [
                    (d.name, d.name, _text(d.description), d.tags, _text(d.parameters), i)
                    for i, d in rows
                ],
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


def matching(terms: Terms, *, enough: int, most: int) -> list[int]:
    """The entries with every word, best first; where those are fewer than `enough`, the entries
    with some of the words after them. At most `most`."""
    if not terms:
        return []
    if connection.vendor == "postgresql":
        return _postgres(terms, enough, most)
    found = _sqlite(terms, " AND ", most)
    if len(found) >= enough or len(terms.words) == 1:
        return found
    held = set(found)
    some = [each for each in _sqlite(terms, " OR ", most) if each not in held]
    return [*found, *some][:most]


def _sqlite(terms: Terms, joint: str, most: int) -> list[int]:
    # Each word is an FTS5 string, and words hold neither quotes nor operators.
    parts = [f'"{word}"' for word in terms.words]
    if terms.open:
        parts[-1] += "*"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT rowid, bm25(registry_tooltext, {BM25_WEIGHTS}) AS score "  # noqa: S608
            "FROM registry_tooltext WHERE registry_tooltext MATCH %s "
            "ORDER BY score, rowid LIMIT %s",
            [joint.join(parts), most],
        )
        return [row for row, _ in cursor.fetchall()]


def _postgres(terms: Terms, enough: int, most: int) -> list[int]:
    """Two steps, because `ts_rank` reads every document that it ranks, and a common word is in
    thousands: the index alone says which entries have which word, in the name or anywhere; the most
    promising of them are ranked."""
    queries = [f"'{word}'" for word in terms.words]
    if terms.open:
        queries[-1] += ":*"
    found = _postings(queries)
    whole = set.intersection(*(ids for ids, _ in found))
    alone = len(whole) >= enough or len(queries) == 1
    scores = _scores(found, whole if alone else None, most)
    order = sorted(scores, key=lambda each: (each not in whole, -scores[each], each))[:most]
    ranks = _ranks(order[:RANKED], " | ".join(queries))
    # Behind the ranked ones stands nothing that could pass them by its own words alone.
    head = sorted(
        order[:RANKED],
        key=lambda each: (each not in whole, -scores[each] * (1 + ranks.get(each, 0.0)), each),
    )
    return [*head, *order[RANKED:]]


Postings = list[tuple[set[int], set[int]]]
"""For each word: the entries that have it, and those that have it in their names."""


def _scores(found: Postings, among: set[int] | None, most: int) -> dict[int, float]:
    """What each entry's words weigh together, a rare word more than a common one."""
    total = max(len(set().union(*(ids for ids, _ in found))), 1)
    scores: dict[int, float] = {}
    for ids, names in sorted(found, key=lambda posting: len(posting[0])):
        weight = math.log(1 + (total - len(ids) + 0.5) / (len(ids) + 0.5)) + 0.1
        counted = ids if among is None else ids & among
        if len(scores) >= most:
            # Rarer words have found enough: who has the commoner ones alone comes after them.
            counted = counted & scores.keys()
        for each in counted - names:
            scores[each] = scores.get(each, 0.0) + weight
        for each in counted & names:
            scores[each] = scores.get(each, 0.0) + weight * 3.0
    return scores


def _postings(queries: list[str]) -> Postings:
    # The query as a subselect: of a constant the planner would learn how common the word is, and
    # read every document instead of the index, though it is the documents that cost.
    one = (
        "(SELECT array_agg(id) FROM registry_toolentry "
        "WHERE {} @@ (SELECT to_tsquery('english', %s)))"
    )
    columns = [one.format(name) for name in ("document", "names") for _ in queries]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)}", [*queries, *queries])
        found = [set(ids or ()) for ids in cursor.fetchone()]
    return list(zip(found[: len(queries)], found[len(queries) :], strict=True))


def _ranks(ids: list[int], query: str) -> dict[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, ts_rank(%s::real[], document, to_tsquery('english', %s), 1) "
            "FROM registry_toolentry WHERE id IN (SELECT unnest(%s::bigint[]))",
            [TS_WEIGHTS, query, ids],
        )
        return dict(cursor.fetchall())
