"""Folding: keeping the hourly buckets equal to the raw rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min, Model
from kernel import clock

from governance.models import LedgerEntry
from observability import buckets, usage
from observability.buckets import HOUR
from observability.models import DirtyHour, Fold, UsageHour
from orchestration.models import AgentTask, ToolCall, WorkflowRun

# One fold catches up on at most this many hours; the next one goes on.
BATCH = 500
# Rows that came late without anybody saying so are found within this stretch.
PATROL = timedelta(days=14)


def fold() -> int:
    """Make the buckets equal to the raw rows. Returns how many hours were recomputed.

    1. the hours since the last fold, and always the current and the previous one;
    2. the hours that somebody marked as dirty;
    3. one hour of the last fourteen days, in turn, for what came late unnoticed.
    """
    now = clock.now()
    current = hour_of(now)
    state, _ = Fold.objects.get_or_create(id=1)
    since = _since(state, current)
    for hour in since:
        fold_hour(hour)
    older = {hour_of(hour) for hour in DirtyHour.objects.values_list("hour", flat=True)[:BATCH]}
    patrol = _next_patrol(state, current)
    older = (older | {patrol}) - set(since)
    for hour in sorted(older):
        fold_hour(hour)
    through = since[-1]
    Fold.objects.filter(id=1).update(through=through, patrol=patrol, folded_at=now)
    return len(since) + len(older)


def mark(at: datetime) -> None:
    """Tell that rows were added, changed or taken away in the hour of `at`, after it was over."""
    DirtyHour.objects.create(hour=hour_of(at))


def fold_hour(hour: datetime) -> None:
    """Recompute one hour whole, in one transaction; two at once take turns."""
    with transaction.atomic():
        Fold.objects.select_for_update().get_or_create(id=1)
        DirtyHour.objects.filter(
            id__in=list(DirtyHour.objects.filter(hour=hour).values_list("id", flat=True))
        ).delete()
        for model, compute, names in buckets.KINDS:
            changed = _replace(model, hour, compute(hour), names)
            if model is UsageHour and changed:
                usage.fold_day(hour, changed)


def _replace(
    model: type[Model], hour: datetime, rows: list[Any], names: tuple[str, ...]
) -> set[usage.Key]:
    """Make the hour's buckets equal to the rows: what differs is written, for most of an hour stays
    as it was. The keys of what did."""
    unique = ("hour", *names)
    fields = [f.name for f in model._meta.concrete_fields if f.name not in (*unique, "id")]
    present = {
        tuple(values[: len(names)]): (pk, tuple(values[len(names) :]))
        for pk, *values in model._default_manager.filter(hour=hour)
        .order_by()
        .values_list("pk", *names, *fields)
    }
    differing: dict[usage.Key, Any] = {}
    for row in rows:
        key = tuple(getattr(row, name) for name in names)
        _, held = present.pop(key, (None, None))
        if held != tuple(getattr(row, name) for name in fields):
            differing[key] = row
    if present:
        gone = [pk for pk, _ in present.values()]
        model._default_manager.filter(pk__in=gone).delete()
    model._default_manager.bulk_create(
        list(differing.values()),
        update_conflicts=True,
        unique_fields=unique,
        update_fields=fields,
        batch_size=500,
    )
    return differing.keys() | present.keys()


def hour_of(at: datetime) -> datetime:
    """The beginning of the hour, in UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _since(state: Fold, current: datetime) -> list[datetime]:
    first = min(state.through or _oldest() or current, current - HOUR)
    count = int((current - first) / HOUR) + 1
    return [first + HOUR * step for step in range(min(count, BATCH))]


def _oldest() -> datetime | None:
    found = [
        ToolCall.objects.aggregate(at=Min("finished_at"))["at"],
        AgentTask.objects.aggregate(at=Min("finished_at"))["at"],
        WorkflowRun.objects.aggregate(at=Min("finished_at"))["at"],
        LedgerEntry.objects.aggregate(at=Min("created_at"))["at"],
    ]
    known = [at for at in found if at is not None]
    return hour_of(min(known)) if known else None


def _next_patrol(state: Fold, current: datetime) -> datetime:
    first = current - PATROL
    if state.patrol is None or not first <= state.patrol + HOUR < current - HOUR:
        return first
    return state.patrol + HOUR
