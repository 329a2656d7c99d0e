"""Too many failures in a row lock an account for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from auth.errors import AccountLocked
from auth.users import normalise_name


@dataclass
class Throttle:
    """Counts failures per name; the clock returns seconds."""

    clock: Callable[[], float]
    max_failures: int = 5
    lock_seconds: int = 300
    _failures: dict[str, list[float]] = field(default_factory=dict)

    def check(self, name: str) -> None:
        remaining = self.locked_for(name)
        if remaining > 0:
            raise AccountLocked(name, remaining)

    def locked_for(self, name: str) -> int:
        """Seconds until the next attempt is allowed; 0 if it is allowed now."""
        failures = self._recent(name)
        if len(failures) < self.max_failures:
            return 0
        return max(0, round(failures[-1] + self.lock_seconds - self.clock()))

    def record_failure(self, name: str) -> None:
        self._failures[normalise_name(name)] = [*self._recent(name), self.clock()]

    def forget(self, name: str) -> None:
        self._failures.pop(normalise_name(name), None)

    def _recent(self, name: str) -> list[float]:
        since = self.clock() - self.lock_seconds
        return [at for at in self._failures.get(normalise_name(name), []) if at > since]
