"""The entries of the index: written whenever a tool's live contract or lifecycle changes."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from django.db import connection, transaction
from kernel import canonical, outbox
from kernel.models import Outbox

from registry.discovery import documents, freshness, fulltext
from registry.discovery.documents import Document
from registry.models import Tool, ToolVersion
from registry.models.search import BAR, ToolEntry

TOPIC = "tool.embed"
# One message stands for all entries that wait: it says that there is work, not which.
WAITING = UUID("018f0000-0000-7000-8000-d15c0be40001")
BATCH = 500
# So many new entries at once, and what the database knows of the tables is void.
MANY = 200

_WRITTEN = (
    "text", "checksum", "text_checksum", "tags", "permissions", "environments", "data_class",
    "executor", "cost_micros", "facts", "facts_checksum", "stamp",
)  # fmt: skip


def refresh(tool: Tool) -> None:
    """Bring the tool's entry up to its live version, in the caller's transaction. A tool that has
    none, or that was removed from discovery, has no entry. Where nothing changed, nothing is
    written."""
    refresh_all([tool])


def refresh_all(tools: Sequence[Tool]) -> int:
    """Bring these tools' entries up to date. Returns how many were written."""
    written = bring_up(tools)
    waiting = (each[1] for each in connection.run_on_commit)
    if written >= MANY and count_anew not in waiting:
        transaction.on_commit(count_anew, robust=True)
    return written


def bring_up(tools: Sequence[Tool]) -> int:
    """The same for one batch of many: who has written the last calls `count_anew`."""
    with transaction.atomic():
        gone = [tool.id for tool in tools if not _is_found(tool)]
        drop(gone)
        written = sum(_written(batch) for batch in _batches([t for t in tools if _is_found(t)]))
        if written or gone:
            freshness.changed()
        if written:
            _ask_for_vectors()
    return written


def count_anew() -> None:
    """Let PostgreSQL count what so many changes left: without, it takes the tools for few, and
    reads them all for a page. By itself it does so within minutes."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for model in (Tool, ToolVersion, ToolEntry):
                cursor.execute(f"ANALYZE {model._meta.db_table}")


def _is_found(tool: Tool) -> bool:
    return tool.live_version_id is not None and tool.removed_at is None


def drop(tool_ids: Iterable[UUID]) -> None:
    """Forget these tools' entries."""
    rows = ToolEntry.objects.filter(tool_id__in=list(tool_ids))
    ids = list(rows.values_list("id", flat=True))
    if ids:
        fulltext.remove(ids)
        rows.delete()


def _batches(tools: Sequence[Tool]) -> Iterator[Sequence[Tool]]:
    for start in range(0, len(tools), BATCH):
        yield tools[start : start + BATCH]


def _written(tools: Sequence[Tool]) -> int:
    made = {
        tool.id: documents.of(tool.live_version.contract, tool.retired)
        for tool in tools
        if tool.live_version
    }
    known = dict(ToolEntry.objects.filter(tool_id__in=made).values_list("tool_id", "checksum"))
    new = {id: each for id, each in made.items() if known.get(id) != each.checksum}
    if not new:
        return 0
    for tool_id in new.keys() & known.keys():
        # Not with the others: a row that is in the way uses up an id, and ids are to stay close.
        entry = _entry(tool_id, new[tool_id])
        values = {name: getattr(entry, name) for name in _WRITTEN}
        ToolEntry.objects.filter(tool_id=tool_id).update(**values)
    ToolEntry.objects.bulk_create(
        [_entry(tool_id, new[tool_id]) for tool_id in new if tool_id not in known],
        update_conflicts=True,
        unique_fields=["tool"],
        update_fields=_WRITTEN,
    )
    ids = ToolEntry.objects.filter(tool_id__in=new).values_list("id", "tool_id")
    fulltext.write((id, new[tool_id]) for id, tool_id in ids)
    return len(new)


def _entry(tool_id: UUID, document: Document) -> ToolEntry:
    facts = dict(document.facts)
    return ToolEntry(
        tool_id=tool_id,
        text=document.text,
        checksum=document.checksum,
        text_checksum=canonical.digest(document.text),
        tags=barred(facts["tags"]),
        permissions=barred(facts["permissions_required"]),
        environments=barred(facts["environments"]),
        data_class=facts["data_class"],
        executor=facts["executor"],
        cost_micros=facts["cost_micros"],
        facts=facts,
        facts_checksum=canonical.digest(facts),
        stamp=new_stamp(),
    )


def new_stamp() -> int:
    # So that the sum over a million rows stays within 63 bits.
    return secrets.randbits(42)


def barred(words: Iterable[str]) -> str:
    """The words between bars; empty where there are none. A bar within a word is a space."""
    found = [word.replace(BAR, " ") for word in words]
    return f"{BAR}{BAR.join(found)}{BAR}" if found else ""


def _ask_for_vectors() -> None:
    waiting = Outbox.objects.filter(topic=TOPIC, subject_id=WAITING, claimed_until__isnull=True)
    if not waiting.exists():
        outbox.put(TOPIC, WAITING)
