"""Content by digest: stored once, whoever writes it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from context.models import Blob

# One statement carries at most this much content, and this many digests.
BATCH_BYTES = 8 * 1024 * 1024
BATCH_ROWS = 500


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def put(contents: Mapping[str, bytes]) -> None:
    """Store what isn't stored yet: {sha256: content}.

    In the order of the digests, so that two writers of the same content can't wait for each other.
    """
    missing = sorted(set(contents) - _known(contents))
    for batch in _batches(missing, contents):
        rows = [Blob(sha256=key, size=len(contents[key]), content=contents[key]) for key in batch]
        Blob.objects.bulk_create(rows, ignore_conflicts=True)


def get(digests: Iterable[str]) -> dict[str, bytes]:
    """The contents that these digests name; all of them in memory at once."""
    return dict(stream(digests))


def stream(digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """(sha256, content) in the order of the digests, a few hundred at a time."""
    for batch in _chunks(sorted(set(digests)), 100):
        rows = Blob.objects.filter(sha256__in=batch).values_list("sha256", "content")
        for key, content in rows.iterator(chunk_size=20):
            yield key, bytes(content)


def _known(digests: Iterable[str]) -> set[str]:
    known: set[str] = set()
    for batch in _chunks(sorted(digests), BATCH_ROWS):
        known.update(Blob.objects.filter(sha256__in=batch).values_list("sha256", flat=True))
    return known


def _chunks(items: Iterable[str], length: int) -> Iterator[list[str]]:
    source = iter(items)
    while chunk := list(islice(source, length)):
        yield chunk


def _batches(keys: list[str], contents: Mapping[str, bytes]) -> Iterator[list[str]]:
    batch: list[str] = []
    weight = 0
    for key in keys:
        if batch and (weight + len(contents[key]) > BATCH_BYTES or len(batch) == BATCH_ROWS):
            yield batch
            batch, weight = [], 0
        batch.append(key)
        weight += len(contents[key])
    if batch:
        yield batch
