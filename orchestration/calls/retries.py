"""Trying again: an idempotent tool's call may be executed more than once before it has failed."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestration.executors.invocation import ExecutorUnavailable, Result
from registry.contracts import Contract

# Failures of what the tool reaches, not of what it was asked: the same request may succeed later.
TRANSIENT = frozenset(
    {
        "request_failed",
        "connection_failed",
        "upstream_failed",
        "upstream_unavailable",
        "database_unavailable",
        "executor_error",
    }
)
BUSY = 429
BROKEN = 500
MAX_PAUSE = 60.0
MAX_TOLD = 200


def is_transient(result: Result) -> bool:
    """Whether the tool failed, instead of having been asked for what it can't do."""
    if result.status == "timed_out":
        return True
    reason = (result.error or {}).get("reason")
    if reason == "http_status" and isinstance(result.value, Mapping):
        status = result.value.get("status")
        return isinstance(status, int) and (status == BUSY or status >= BROKEN)
    return result.status == "failed" and reason in TRANSIENT


@dataclass(frozen=True)
class Rule:
    """How often and after what: `on` holds statuses and reasons; empty means transient failures.
    `backoff` is the longest first pause in seconds; each later one may be twice as long."""

    attempts: int = 1
    backoff: float = 0.2
    on: frozenset[str] = frozenset()

    @classmethod
    def of(cls, contract: Contract) -> "Rule":
        """The contract's rule; one attempt for what isn't idempotent, whatever it says."""
        said = contract.said("retry")
        if not contract.idempotent or not said:
            return cls()
        return cls(
            attempts=said.get("attempts", 1),
            backoff=said.get("backoff", 0.2),
            on=frozenset(said.get("on", ())),
        )

    def wants(self, result: Result) -> bool:
        """Whether the result is one to try again after."""
        if result.status == "succeeded":
            return False
        if not self.on:
            return is_transient(result)
        return not self.on.isdisjoint({result.status, (result.error or {}).get("reason", "")})

    def pause(self, attempt: int) -> float:
        """Seconds before the next attempt: exponential, with full jitter."""
        longest = min(self.backoff * 2 ** (attempt - 1), MAX_PAUSE)
        return random.uniform(0, longest)  # noqa: S311

    def seconds(self, timeout: float) -> float:
        """How long all attempts may take together, each under its own time limit."""
        pauses: float = sum(min(self.backoff * 2**n, MAX_PAUSE) for n in range(self.attempts - 1))
        return self.attempts * timeout + pauses


@dataclass(frozen=True)
class Tried:
    """The last result, and what the attempts before it came to."""

    result: Result
    before: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def attempts(self) -> int:
        return len(self.before) + 1

    @property
    def told(self) -> Result:
        """The result, and under `before` in its enforcement what came before it."""
        if not self.before:
            return self.result
        told = {"before": [dict(each) for each in self.before]}
        return replace(self.result, enforcement={**self.result.enforcement, **told})


def tried(
    once: Callable[[], Result], rule: Rule, *, sleep: Callable[[float], None] = time.sleep
) -> Tried:
    """Execute until it succeeds, fails for good, or the attempts are used up.

    Raises ExecutorUnavailable only where no attempt was executed: afterwards the effect of an
    earlier one would be denied.
    """
    before: list[Mapping[str, Any]] = []
    last: Result | None = None
    for attempt in range(1, rule.attempts + 1):
        try:
            result = once()
        except ExecutorUnavailable as error:
            if attempt == rule.attempts:
                if last is None:
                    raise
                return Tried(last, tuple(before[:-1]))
            before.append({"status": "unavailable", "message": str(error)[:MAX_TOLD]})
        else:
            if attempt == rule.attempts or not rule.wants(result):
                return Tried(result, tuple(before))
            last = result
            before.append(_told(result))
        sleep(rule.pause(attempt))
    raise AssertionError("a rule has at least one attempt")


def _told(result: Result) -> dict[str, Any]:
    error = result.error or {}
    return {
        "status": result.status,
        "reason": str(error.get("reason", ""))[:MAX_TOLD],
        "message": str(error.get("message", ""))[:MAX_TOLD],
    }
