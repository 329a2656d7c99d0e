"""Circuit breakers: a tool that keeps failing is left alone for a while, by all workers together.

Declared in a contract: `circuit_breaker: {failures: 5, within: 60, pause: 30}`. So many transient
failures within so many seconds open it; after the pause one call is let through and decides.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from kernel import clock

from governance import audit
from orchestration.calls.case import Case
from orchestration.calls.outcomes import No
from orchestration.calls.retries import is_transient
from orchestration.executors.invocation import ExecutorUnavailable, Result
from orchestration.models import CircuitBreaker

DEFAULTS: Mapping[str, float] = {"failures": 5, "within": 60, "pause": 30}
# How long another worker's opening may go unseen here.
SEEN_SECONDS = 1.0
# A probe whose process died must not keep the circuit half open for ever.
PROBE_SLACK = timedelta(seconds=60)


@dataclass(frozen=True)
class Settings:
    """What opens a tool's breaker, and for how long."""

    failures: int
    within: timedelta
    pause: timedelta

    @classmethod
    def of(cls, case: Case) -> "Settings | None":
        """None for a tool that declares no breaker."""
        said = case.contract.said("circuit_breaker")
        if not said:
            return None
        full = DEFAULTS | said
        return cls(
            failures=int(full["failures"]),
            within=timedelta(seconds=full["within"]),
            pause=timedelta(seconds=full["pause"]),
        )


@dataclass(frozen=True)
class Passage:
    """A call on its way through the breaker; a probe's outcome decides whether it closes."""

    tool_id: UUID
    settings: Settings | None
    probe: bool = False


class _Snapshot:
    """The open breakers as this process saw them at most a second ago."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read = float("-inf")
        self._open: dict[UUID, datetime] = {}

    def open_until(self, tool_id: UUID) -> datetime | None:
        with self._lock:
            if time.monotonic() - self._read > SEEN_SECONDS:
                rows = CircuitBreaker.objects.filter(open_until__isnull=False)
                self._open = dict(rows.values_list("tool_id", "open_until"))
                self._read = time.monotonic()
            return self._open.get(tool_id)

    def forget(self) -> None:
        self._read = float("-inf")


snapshot = _Snapshot()


def check(case: Case) -> None:
    """Raises No while the tool's breaker is open: nothing is written but the refusal."""
    if Settings.of(case) is None:
        return
    until = snapshot.open_until(case.version.tool_id)
    if until is not None and until > case.at:
        raise _pausing(case, until)


def _pausing(case: Case, until: datetime) -> No:
    seconds = max(1, round((until - case.at).total_seconds()))
    return No(
        "unavailable",
        f"Tool {case.contract.name} failed too often and is left alone for {seconds} s. "
        "Try again then.",
        extra={"retry_after": seconds},
    )


def passed(case: Case, timeout: float) -> Passage:
    """Let the call through; past the pause, one alone. Raises ExecutorUnavailable."""
    settings, tool_id = Settings.of(case), case.version.tool_id
    until = snapshot.open_until(tool_id) if settings else None
    if settings is None or until is None:
        return Passage(tool_id, settings)
    now = clock.now()
    free = Q(probing_until__isnull=True) | Q(probing_until__lt=now)
    rows = CircuitBreaker.objects.filter(free, tool_id=tool_id, open_until__lte=now)
    if rows.update(probing_until=now + timedelta(seconds=timeout) + PROBE_SLACK):
        return Passage(tool_id, settings, probe=True)
    snapshot.forget()
    if snapshot.open_until(tool_id) is None:
        return Passage(tool_id, settings)
    raise ExecutorUnavailable(
        f"Tool {case.contract.name} failed too often; another call is finding out whether it "
        "works again. Try again in a few seconds."
    )


def record(passage: Passage, result: Result, case: Case) -> None:
    """Count what the call came to."""
    if passage.settings is None:
        return
    failed = is_transient(result)
    if passage.probe:
        _decide(passage, passage.settings, case, failed=failed)
    elif failed:
        _count(passage.tool_id, passage.settings, case, result)


def let_go(passage: Passage | None) -> None:
    """A probe that wasn't executed decides nothing: the next call may be one."""
    if passage is not None and passage.probe:
        CircuitBreaker.objects.filter(tool_id=passage.tool_id).update(probing_until=None)


def _decide(passage: Passage, settings: Settings, case: Case, *, failed: bool) -> None:
    rows = CircuitBreaker.objects.filter(tool_id=passage.tool_id, open_until__isnull=False)
    if failed:
        rows.update(open_until=clock.now() + settings.pause, probing_until=None)
    else:
        with transaction.atomic():
            if rows.update(open_until=None, probing_until=None, failures=0):
                _tell("breaker.closed", case)
    snapshot.forget()


def _count(tool_id: UUID, settings: Settings, case: Case, result: Result) -> None:
    now = clock.now()
    told = str((result.error or {}).get("message", result.status))[:300]
    closed = CircuitBreaker.objects.filter(tool_id=tool_id, open_until__isnull=True)
    recent = closed.filter(since__gt=now - settings.within)
    if not recent.update(failures=F("failures") + 1, last_error=told):
        fresh: dict[str, Any] = {"failures": 1, "since": now, "last_error": told}
        if not closed.update(**fresh):
            row = CircuitBreaker(tool_id=tool_id, **fresh)
            CircuitBreaker.objects.bulk_create([row], ignore_conflicts=True)
    with transaction.atomic():
        if closed.filter(failures__gte=settings.failures).update(open_until=now + settings.pause):
            _tell("breaker.opened", case, failures=settings.failures, last_error=told)
            snapshot.forget()


def _tell(event: str, case: Case, **data: Any) -> None:
    tool = case.version.tool
    audit.record(
        event,
        target_kind="tool",
        target_id=tool.id,
        target_name=tool.name,
        team_id=tool.team_id,
        **data,
    )
