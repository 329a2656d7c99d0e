"""The timer: one loop, elected by a lease, that calls what has to happen again and again.

Whatever it calls acts by conditional updates, so that two timers for a moment (a lease ran out
while its holder slept) do nothing twice.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import structlog
from django.db import DatabaseError, close_old_connections, connections
from django.db.models import Q
from kernel import clock, ids, outbox
from kernel.models import Outbox

from governance import approvals, budgets, rates
from observability import rollups
from orchestration import calls, runs, tasks, upstreams
from orchestration.calls import cached

log = structlog.get_logger(__name__)

TOPIC = "timer.lease"
LEASE_ID = uuid5(UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), "gatehouse:timer.lease")
LEASE = timedelta(seconds=30)
RENEW_SECONDS = 8.0
RETRY_SECONDS = 2.0
TICK_SECONDS = 0.25
# The lease is an outbox row that is never due: no sweep delivers it.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Duty:
    """A function without arguments, and how many seconds lie between two calls."""

    name: str
    seconds: float
    call: Callable[[], object]


@dataclass
class Lease:
    """One row that at most one timer holds at a time, until it lets go or the time is over."""

    holder: UUID
    held: bool = False
    asked: float = float("-inf")

    def hold(self) -> bool:
        """Take or keep the lease, asking the database only every few seconds."""
        if time.monotonic() - self.asked < (RENEW_SECONDS if self.held else RETRY_SECONDS):
            return self.held
        now = clock.now()
        Outbox.objects.get_or_create(
            id=LEASE_ID, defaults={"topic": TOPIC, "subject_id": self.holder, "due_at": NEVER}
        )
        free = Q(subject_id=self.holder) | Q(claimed_until=None) | Q(claimed_until__lte=now)
        rows = Outbox.objects.filter(free, id=LEASE_ID)
        self.held = bool(rows.update(subject_id=self.holder, claimed_until=now + LEASE))
        self.asked = time.monotonic()
        return self.held

    def release(self) -> None:
        """Let another timer take over at once."""
        if self.held:
            rows = Outbox.objects.filter(id=LEASE_ID, subject_id=self.holder)
            rows.update(claimed_until=None)
        self.held = False


class Timer:
    """The loop. Every duty has its own period; a failing one is logged and called again later."""

    def __init__(self, duties: Iterable[Duty]) -> None:
        self.duties = tuple(duties)
        self.lease = Lease(ids.uuid7())
        self._due = dict.fromkeys((duty.name for duty in self.duties), 0.0)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run in a thread of this process."""
        self._thread = threading.Thread(target=self.run, name="timer", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def stop(self, grace: float = 5.0) -> None:
        """Ask, and wait for the duty at work for `grace` seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(grace)

    def run(self) -> None:
        """Loop until `stop` is called."""
        while not self._stop.is_set():
            close_old_connections()
            self._tick()
            self._stop.wait(TICK_SECONDS)
        try:
            self.lease.release()
        except DatabaseError as error:
            log.warning("timer.release_failed", error=str(error))
        connections.close_all()

    def _tick(self) -> None:
        for duty in self.duties:
            if self._stop.is_set() or time.monotonic() < self._due[duty.name]:
                continue
            if not self._elected():
                return
            self._call(duty)

    def _elected(self) -> bool:
        try:
            return self.lease.hold()
        except DatabaseError as error:
            log.warning("timer.lease_failed", error=str(error))
            self.lease.held = False
            return False

    def _call(self, duty: Duty) -> None:
        try:
            duty.call()
        except Exception:
            log.exception("timer.duty_failed", duty=duty.name)
        # From its end: a duty that takes longer than its period doesn't chase itself.
        self._due[duty.name] = time.monotonic() + duty.seconds


def duties() -> list[Duty]:
    """What the platform's timer does."""
    return [
        Duty("outbox.sweep", 1.0, outbox.sweep),
        Duty("runs.recover", 5.0, runs.recover),
        Duty("tasks.recover", 5.0, tasks.recover),
        Duty("calls.recover", 5.0, calls.recover),
        Duty("approvals.expire_due", 5.0, approvals.expire_due),
        Duty("budgets.expire_holds", 10.0, budgets.expire_holds),
        Duty("rates.sweep", 60.0, rates.sweep),
        Duty("cached.sweep", 60.0, cached.sweep),
        Duty("upstreams.queue_due", 5.0, upstreams.queue_due),
        Duty("rollups.fold", 5.0, rollups.fold),
    ]
