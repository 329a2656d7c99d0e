"""The whole index, made anew or completed."""

from dataclasses import dataclass

from django.db import transaction

from registry.discovery import entries, freshness, fulltext
from registry.models import Tool
from registry.models.search import ToolEntry


@dataclass(frozen=True)
class Rebuilt:
    """How many entries were written, how many vectors were made, and how many entries there are."""

    written: int
    embedded: int
    entries: int


def rebuild() -> Rebuilt:
    """Forget the index and make it from the live versions, with the vectors."""
    with transaction.atomic():
        fulltext.clear()
        ToolEntry.objects.all().delete()
        freshness.changed()
        return _completed()


def complete() -> Rebuilt:
    """Write what is missing or out of date, and drop what is gone."""
    return _completed()


def _completed() -> Rebuilt:
    written = 0
    rows = Tool.objects.select_related("live_version").order_by("id")
    batch: list[Tool] = []
    for tool in rows.iterator(chunk_size=entries.BATCH):
        batch.append(tool)
        if len(batch) == entries.BATCH:
            written += entries.bring_up(batch)
            batch = []
    written += entries.bring_up(batch)
    embedded = embed_waiting()
    if written + embedded >= entries.MANY:
        transaction.on_commit(entries.count_anew, robust=True)
    return Rebuilt(written, embedded, ToolEntry.objects.count())


def embed_waiting() -> int:
    """Make the vectors that are missing. Loads the model."""
    # The model and numpy take half a second to load: only who embeds pays for them.
    from registry.discovery import meaning  # noqa: PLC0415 - see above

    return meaning.embed_waiting()
