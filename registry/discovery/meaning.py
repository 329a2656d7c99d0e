"""Search by meaning: every entry's vector in this process, and the nearest to a question's.

The vectors are read from the database when they are first asked for, and again, only those of rows
that changed, when `freshness.state` says so. Ten thousand of them are 10 MB.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from django.db.models import F, QuerySet

from registry.discovery import embedding, freshness
from registry.discovery.embedding import DIMENSION, MODEL, Vectors
from registry.discovery.freshness import State
from registry.models.search import ToolEntry

# Below it, texts have nothing to do with each other.
LEAST_LIKENESS = 0.2
# How many vectors a search makes itself where no worker has made them yet.
MOST_MADE = 256
CHUNK = 2_000


@dataclass(frozen=True)
class Space:
    """The vectors by their entries' ids, in ascending order. `missing` counts the entries that have
    none yet."""

    state: State
    ids: npt.NDArray[np.int64]
    stamps: npt.NDArray[np.int64]
    vectors: Vectors
    missing: int = 0


_NOWHERE = Space(
    ("", 0, 0),
    np.zeros(0, dtype=np.int64),
    np.zeros(0, dtype=np.int64),
    np.zeros((0, DIMENSION), dtype=np.float32),
)
_space = _NOWHERE
_reading = threading.Lock()


def nearest(text: str, *, among: Iterable[int] | None = None, most: int = 200) -> list[int]:
    """The entries nearest in meaning to the text, best first, by cosine."""
    space = current()
    if not len(space.ids):
        return []
    # Without the linear algebra library's own threads: on a busy machine they cost more than they
    # bring to a product of half a millisecond.
    likeness = np.einsum("ij,j->i", space.vectors, _question(text))
    if among is not None:
        allowed = np.fromiter(among, dtype=np.int64)
        likeness[~np.isin(space.ids, allowed)] = -1.0
    count = min(most, len(likeness))
    best = np.argpartition(-likeness, count - 1)[:count]
    best = best[np.lexsort((space.ids[best], -likeness[best]))]
    found: list[int] = space.ids[best[likeness[best] >= LEAST_LIKENESS]].tolist()
    return found


@lru_cache(maxsize=512)
def _question(text: str) -> Vectors:
    row: Vectors = embedding.embed([text])[0]
    return row


def current() -> Space:
    """The vectors as they are; read where this process lacks some."""
    global _space
    state = freshness.state()
    if _space.state == state and not _space.missing:
        return _space
    with _reading:
        if _space.state != state or _space.missing:
            _space = _read(_space, state)
    return _space


def _read(before: Space, state: State) -> Space:
    rows = ToolEntry.objects.order_by("id").values_list("id", "stamp")
    listed = np.array(list(rows), dtype=np.int64).reshape(-1, 2)
    if before.state[0] != state[0]:
        before = _NOWHERE
    known = dict(zip(before.ids.tolist(), range(len(before.ids)), strict=True))
    stamps = before.stamps.tolist()
    kept = [
        (known[id], id, stamp)
        for id, stamp in listed.tolist()
        if id in known and stamps[known[id]] == stamp
    ]
    held = {id for _, id, _ in kept}
    read, missing = _read_rows([id for id, _ in listed.tolist() if id not in held])
    ids = np.array([id for _, id, _ in kept] + [id for id, _, _ in read], dtype=np.int64)
    marks = np.array([s for _, _, s in kept] + [s for _, s, _ in read], dtype=np.int64)
    old = before.vectors[[place for place, _, _ in kept]]
    new = np.array([vector for _, _, vector in read], dtype=np.float32).reshape(-1, DIMENSION)
    order = np.argsort(ids)
    return Space(state, ids[order], marks[order], np.vstack((old, new))[order], missing)


def _read_rows(ids: Sequence[int]) -> tuple[list[tuple[int, int, Vectors]], int]:
    """Each entry's id, stamp and vector. Those without one of their text are made here, at most
    `MOST_MADE` of them; how many are left is the second value."""
    found: list[tuple[int, int, Vectors]] = []
    stale: list[tuple[int, int]] = []
    for chunk in (ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK)):
        names = ("id", "stamp", "model", "vector_checksum", "text_checksum", "vector")
        rows = list(ToolEntry.objects.filter(id__in=chunk).values_list(*names))
        good = [row for row in rows if row[5] and row[2] == MODEL and row[3] == row[4]]
        vectors = embedding.unpacked([bytes(row[5]) for row in good])
        found += [(row[0], row[1], vector) for row, vector in zip(good, vectors, strict=True)]
        fine = {row[0] for row in good}
        stale += [(row[0], row[1]) for row in rows if row[0] not in fine]
    return [*found, *_made(stale[:MOST_MADE])], max(len(stale) - MOST_MADE, 0)


def _made(stale: Sequence[tuple[int, int]]) -> list[tuple[int, int, Vectors]]:
    texts = dict(ToolEntry.objects.filter(id__in=[id for id, _ in stale]).values_list("id", "text"))
    there = [(id, stamp) for id, stamp in stale if id in texts]
    vectors = embedding.embed([texts[id] for id, _ in there])
    return [(id, stamp, vector) for (id, stamp), vector in zip(there, vectors, strict=True)]


def embed_waiting() -> int:
    """Store the vector of every entry that has none of its text and of this model; returns how
    many. For a worker, and for the rebuilding of the index."""
    done = 0
    while rows := list(_waiting()[:CHUNK]):
        vectors = embedding.embed([row.text for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            row.model, row.dimension = MODEL, DIMENSION
            row.vector, row.vector_checksum = embedding.packed(vector), row.text_checksum
        for row in rows:
            # A text that changed meanwhile is still waiting, and comes with the next round. The
            # stamp stays: what others hold, or made themselves, is the same vector.
            done += ToolEntry.objects.filter(id=row.id, text_checksum=row.text_checksum).update(
                model=row.model,
                dimension=row.dimension,
                vector=row.vector,
                vector_checksum=row.vector_checksum,
            )
    return done


def _waiting() -> QuerySet[ToolEntry]:
    rows = ToolEntry.objects.exclude(model=MODEL, vector_checksum=F("text_checksum"))
    waiting: QuerySet[ToolEntry] = rows.only("id", "text", "text_checksum").order_by("id")
    return waiting
