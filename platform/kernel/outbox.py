"""The transactional outbox: what one layer wants done by another, written in its own transaction.

A row is a topic and an id. `portal` maps topics to callables; `on_commit` only nudges, so a lost
nudge costs one sweep. Delivery is at least once; a receiver acts by conditional updates.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q

from kernel import clock, crash
from kernel.models import Outbox

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
FIRST_RETRY = timedelta(seconds=1)
LAST_RETRY = timedelta(minutes=5)
BATCH = 200

Receiver = Callable[[UUID], None]
Nudge = Callable[[UUID, str], None]


@dataclass
class Wiring:
    """What portal plugs in: the receivers by topic, and how a worker is nudged."""

    receivers: dict[str, Receiver] = field(default_factory=dict)
    nudge: Nudge = lambda row_id, topic: None


wiring = Wiring()


def put(topic: str, subject_id: UUID, *, due_at: datetime | None = None) -> UUID:
    """Ask for delivery of `subject_id` to the receiver of `topic`, now or at `due_at`.

    Call it inside the transaction of the change. A row that is due now nudges a worker at commit.
    """
    now = clock.now()
    row = Outbox.objects.create(topic=topic, subject_id=subject_id, due_at=due_at or now)
    if due_at is None or due_at <= now:
        transaction.on_commit(lambda: nudge(row.id, topic), robust=True)
    return row.id


def drop(topic: str, subject_id: UUID) -> None:
    """Forget what waits for this subject, such as a timer whose reason is gone."""
    Outbox.objects.filter(topic=topic, subject_id=subject_id).delete()


def nudge(row_id: UUID, topic: str) -> None:
    """Wake a worker for the row. A broker that is away loses nothing: the sweep finds the row."""
    crash.point("outbox.nudging")
    try:
        wiring.nudge(row_id, topic)
    except Exception as error:  # noqa: BLE001 - recorded; the row stays and the sweep delivers it
        log.warning("outbox.nudge_failed", row=str(row_id), topic=topic, error=str(error))


def deliver(row_id: UUID) -> bool:
    """Deliver one row, when it is due and nobody else is at it.

    1. claim it by a conditional update with a lease;
    2. call the topic's receiver, outside of any transaction of ours;
    3. delete the row, or put it off with a growing delay when the receiver failed.

    Returns whether the receiver returned.
    """
    row = _claim(row_id)
    if row is None:
        return False
    crash.point("outbox.claimed")
    receiver = wiring.receivers.get(row.topic)
    if receiver is None:
        _put_off(row, f"no receiver for topic {row.topic!r}")
        return False
    try:
        receiver(row.subject_id)
    except Exception as error:
        log.exception("outbox.receiver_failed", topic=row.topic, subject=str(row.subject_id))
        _put_off(row, f"{type(error).__name__}: {error}")
        return False
    crash.point("outbox.received")
    Outbox.objects.filter(id=row.id, attempts=row.attempts).delete()
    return True


def _claim(row_id: UUID) -> Outbox | None:
    now = clock.now()
    claimed = (
        Outbox.objects.filter(id=row_id, due_at__lte=now)
        .filter(_unclaimed(now))
        .update(claimed_until=now + LEASE, attempts=F("attempts") + 1)
    )
    return Outbox.objects.filter(id=row_id).first() if claimed else None


def _unclaimed(now: datetime) -> Q:
    return Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)


def _put_off(row: Outbox, error: str) -> None:
    delay = min(FIRST_RETRY * 2 ** min(row.attempts, 12), LAST_RETRY)
    Outbox.objects.filter(id=row.id, attempts=row.attempts).update(
        claimed_until=None, due_at=clock.now() + delay, last_error=error[:2000]
    )


def due(limit: int = BATCH) -> list[tuple[UUID, str]]:
    """Rows that could be delivered now: (id, topic), the longest due first."""
    now = clock.now()
    rows = Outbox.objects.filter(_unclaimed(now), due_at__lte=now).order_by("due_at")
    return list(rows.values_list("id", "topic")[:limit])


def sweep() -> int:
    """Nudge again whatever is due; recovery never runs work itself. Returns how many it was."""
    rows = due()
    for row_id, topic in rows:
        nudge(row_id, topic)
    return len(rows)


def release_claims(topics: Iterable[str] | None = None) -> int:
    """Give up every claim at once: for the start of a process that knows no other one lives."""
    rows = Outbox.objects.filter(claimed_until__isnull=False)
    if topics is not None:
        rows = rows.filter(topic__in=list(topics))
    return rows.update(claimed_until=None)


def drain(limit: int = 1000) -> int:
    """Deliver in this thread until nothing is due; for tests and commands. Returns how many."""
    delivered = 0
    while delivered < limit:
        rows = due()
        done = [row_id for row_id, _ in rows if deliver(row_id)]
        delivered += len(done)
        if not done:
            return delivered
    return delivered
