"""The booted sandboxes of this process: learned from use, made off the caller's path, used once.

What is asked for is kept ready: after the first job of a profile one sandbox, and one more each
time that a job found none, as far as `max_idle` goes, which all processes of a home share. What
nobody asks for is given up after `idle_seconds`. A process that ends takes its own with it, however
it ends: its launchers see the end of their sockets.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from orchestration.sandbox import locks
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.job import Job, Limits
from orchestration.sandbox.warm import (
    BootFailed,
    NoRoom,
    Place,
    Profile,
    Warm,
    idle_of,
    profile,
)

MOST_PROFILES = 64
# A booted sandbox takes some 25 MB; with less than this to spare none is made in advance.
LEAST_MEMORY = 512 << 20
TICK_SECONDS, LOOK_SECONDS = 0.02, 1.0
SHORT_SECONDS = 0.02
RETRY_SECONDS = 60.0


@dataclass
class Demand:
    """What one profile is asked for: how many to keep, and with which limits."""

    limits: Limits
    asked: float
    target: int = 1
    not_before: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class State:
    """The pool as `doctor` shows it.

    `idle` is this process's, `idle_on_machine` all of a home's, `target` how many this process
    would keep ready. `profiles` maps what is special about each to how many are ready; `errors`
    are why not.
    """

    max_idle: int
    target: int
    idle: int
    idle_on_machine: int
    profiles: dict[str, int]
    served: int
    missed: int
    errors: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"errors": list(self.errors)}


class Pool:
    """The sandboxes of one process. Its thread starts with the first profile."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._idle: dict[Profile, list[Warm]] = {}
        self._demands: dict[Profile, Demand] = {}
        self._leaving: list[Warm] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self.served = self.missed = 0

    @contextmanager
    def asked(self, job: Job, place: Place) -> Iterator[Warm | None]:
        """A booted sandbox for `job` if one is ready, and another in the making."""
        wanted = profile(job, place)
        warm = self._taken(wanted, job.limits) if wanted is not None else None
        try:
            yield warm
        finally:
            if warm is not None:
                warm.end()
                with self._change:
                    self._leaving.append(warm)
                    self._change.notify_all()

    def drain(self) -> None:
        """Ends every sandbox of this process that waits, and waits until they are gone."""
        with self._change:
            self._closed = True
            self._demands.clear()
            self._change.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._change:
            leaving = [*self._leaving, *(warm for idle in self._idle.values() for warm in idle)]
            self._idle, self._leaving, self._thread = {}, [], None
        for warm in leaving:
            warm.end()
        for warm in leaving:
            warm.clear()
        with self._change:
            self._closed = False

    def forget(self) -> None:
        """In a forked child: the sandboxes are the parent's."""
        known = [*self._leaving, *(warm for idle in self._idle.values() for warm in idle)]
        self.__init__()  # type: ignore[misc]
        for warm in known:
            warm.forget()

    def state(self, config: SandboxConfig) -> State:
        """What is ready for `config.home` here, and on this machine."""
        with self._change:
            known = {
                each: demand
                for each, demand in self._demands.items()
                if each.place.config.home == config.home
            }
            ready: dict[str, int] = {}
            for each in known:
                kept = len(self._idle.get(each, ()))
                ready[each.told()] = ready.get(each.told(), 0) + kept
        errors = tuple(demand.error for demand in known.values() if demand.error)
        return State(
            max_idle=config.max_idle,
            target=sum(demand.target for demand in known.values()),
            idle=sum(ready.values()),
            idle_on_machine=locks.taken(idle_of(config)),
            profiles=ready,
            served=self.served,
            missed=self.missed,
            errors=errors,
        )

    def _taken(self, wanted: Profile, limits: Limits) -> Warm | None:
        with self._change:
            found = self._ready(wanted)
            self._learn(wanted, limits, found=found is not None)
        if found is None:
            self._wake()
        return found

    def _wake(self) -> None:
        with self._change:
            self._change.notify_all()

    def _ready(self, wanted: Profile) -> Warm | None:
        idle = self._idle.get(wanted, [])
        while idle:
            warm = idle.pop()
            if warm.alive():
                return warm
            warm.end()
            self._leaving.append(warm)
        return None

    def _learn(self, wanted: Profile, limits: Limits, *, found: bool) -> None:
        self.served, self.missed = self.served + found, self.missed + (not found)
        demand = self._demands.get(wanted)
        if self._closed:
            return
        if demand is None:
            if len(self._demands) >= MOST_PROFILES:
                del self._demands[min(self._demands, key=lambda one: self._demands[one].asked)]
            now = time.monotonic()
            self._demands[wanted] = Demand(limits, now, not_before=now + SHORT_SECONDS)
        else:
            demand.limits, demand.asked = limits, time.monotonic()
            most = wanted.place.config.max_idle
            demand.target = min(demand.target + (not found), most)
            # A short call has the processors for itself; its replacement is made after it.
            demand.not_before = max(demand.not_before, time.monotonic() + SHORT_SECONDS)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._keep, name="sandbox-pool", daemon=True)
            self._thread.start()

    def _gives_up(self, warm: list[Warm]) -> None:
        for each in warm:
            each.end()
        with self._change:
            self._leaving += warm
            self._change.notify_all()

    def _keep(self) -> None:
        """The thread: make what is missing, give up what is old, clear away what has ended."""
        while True:
            with self._change:
                if self._closed:
                    return
                old = self._outdated()
                missing = self._missing()
            self._gives_up(old)
            if missing is not None:
                self._make(missing)
            self._clear_away()
            with self._change:
                if not self._closed and self._missing() is None:
                    self._change.wait(self._pause())

    def _pause(self) -> float:
        now = time.monotonic()
        due = [demand.not_before - now for demand in self._demands.values()]
        soonest = min((seconds for seconds in due if seconds > 0), default=LOOK_SECONDS)
        return min(soonest, TICK_SECONDS if self._leaving else LOOK_SECONDS)

    def _missing(self) -> Profile | None:
        """The profile that was asked for last among those with too few."""
        now = time.monotonic()
        missing = [
            each
            for each, demand in self._demands.items()
            if len(self._idle.get(each, ())) < demand.target and demand.not_before <= now
        ]
        return max(missing, key=lambda each: self._demands[each].asked, default=None)

    def _outdated(self) -> list[Warm]:
        """What waited for too long, or died waiting, or isn't asked for any more."""
        now, found = time.monotonic(), []
        for each, demand in list(self._demands.items()):
            if now - demand.asked > each.place.config.idle_seconds:
                del self._demands[each]
        for each, idle in list(self._idle.items()):
            old = [warm for warm in idle if each not in self._demands or not warm.alive()]
            found += old
            self._idle[each] = [warm for warm in idle if warm not in old]
            if not self._idle[each]:
                del self._idle[each]
        return found

    def _make(self, missing: Profile) -> None:
        with self._change:
            demand = self._demands.get(missing)
        if demand is None:
            return
        try:
            if memory_to_spare() < LEAST_MEMORY:
                raise NoRoom("memory is short on this machine")
            # Its replacement is thought of when the call is over, or lasts.
            warm = Warm(missing, demand.limits, begun=self._wake)
        except NoRoom as error:
            self._make_room(missing, demand, str(error))
        except (BootFailed, OSError, ValueError) as error:
            demand.error = f"{missing.told()}: {type(error).__name__}: {error}"
            demand.not_before = time.monotonic() + RETRY_SECONDS
        else:
            demand.error = ""
            with self._change:
                self._idle.setdefault(missing, []).append(warm)

    def _make_room(self, missing: Profile, demand: Demand, reason: str) -> None:
        """Gives up one of a profile that was asked for less recently, or waits a while."""
        with self._change:
            others = [
                each
                for each, idle in self._idle.items()
                if idle and each != missing and self._last_asked(each) < demand.asked
            ]
            oldest = min(others, key=self._last_asked, default=None)
            found = [] if oldest is None else [self._idle[oldest].pop(0)]
            if oldest in self._demands:
                self._demands[oldest].target = len(self._idle[oldest])
            elif oldest is None:
                demand.error = f"{missing.told()}: {reason}"
                demand.not_before = time.monotonic() + LOOK_SECONDS
        self._gives_up(found)

    def _last_asked(self, profile: Profile) -> float:
        demand = self._demands.get(profile)
        return demand.asked if demand is not None else 0.0

    def _clear_away(self) -> None:
        with self._change:
            leaving = list(self._leaving)
        gone = [warm for warm in leaving if warm.cleared()]
        with self._change:
            self._leaving = [warm for warm in self._leaving if warm not in gone]


def memory_to_spare() -> int:
    """Bytes that the kernel could hand out without swapping."""
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return LEAST_MEMORY


POOL = Pool()
os.register_at_fork(after_in_child=POOL.forget)
