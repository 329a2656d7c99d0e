"""Who waits for a sandbox is served in turn: party by party, and in order within one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestration.sandbox import Ending, Job, SandboxBusy, SandboxConfig, run, slots, turns
from tests.orchestration.sandbox.conftest import ROOT
from tests.orchestration.sandbox.warmth import config_at, until

CALLER = """
import os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from orchestration.sandbox import slots
from tests.orchestration.sandbox.warmth import config_at
home, party, calls, seconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
config = config_at(home, max_parallel=2)
def call(_):
    with slots.taken(config, party=party):
        line = f"{time.monotonic_ns()} {party}\\n".encode()
        log = os.open(home.parent / "served", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(log, line)
        os.close(log)
        time.sleep(seconds)
with ThreadPoolExecutor(calls) as threads:
    list(threads.map(call, range(calls)))
"""


def caller(home: Path, party: str, calls: int, seconds: float = 0.03) -> subprocess.Popen[bytes]:
    words = [str(home), party, str(calls), str(seconds)]
    return subprocess.Popen([sys.executable, "-c", CALLER, *words], cwd=ROOT)


def queued(home: Path) -> int:
    return len(turns._waiting(home / "queue"))


def order(home: Path) -> list[str]:
    lines = (home.parent / "served").read_text().splitlines()
    return [line.split()[1] for line in sorted(lines)]


@contextmanager
def both_slots(home: Path) -> Iterator[None]:
    """Holds all that there is, so that everybody queues."""
    config = config_at(home, max_parallel=2)
    with slots.taken(config), slots.taken(config):
        yield


def test_a_team_with_a_hundred_calls_does_not_starve_one_with_a_single_call(home: Path) -> None:
    crowd = [caller(home, "crowd", 50) for _ in range(2)]
    assert until(lambda: queued(home) > 60)
    before = len(order(home))
    single = caller(home, "single", 1)
    assert single.wait(timeout=60) == 0
    served = order(home)
    place = served.index("single")
    # Its process starts in some 200 ms, in which two slots serve a dozen; then it's its turn.
    assert queued(home) > 20, "the crowd was through before: this shows nothing"
    for each in crowd:
        assert each.wait(timeout=60) == 0
    assert len(order(home)) == 101
    assert place - before < 60


def test_parties_of_several_processes_are_served_alternately(home: Path) -> None:
    with both_slots(home):
        first = caller(home, "first", 20)
        assert until(lambda: queued(home) == 20, 40)
        others = [caller(home, "second", 10), caller(home, "third", 5), caller(home, "third", 5)]
        assert until(lambda: queued(home) == 40, 40)
    for each in (first, *others):
        assert each.wait(timeout=60) == 0
    served = order(home)
    # Two slots are filled by two who write at once, so neighbours may change places.
    for turn in range(8):
        window = served[turn * 3 : turn * 3 + 5]
        assert {"first", "second", "third"} <= set(window), served
    assert set(served[-8:]) == {"first"}


def test_calls_of_one_party_keep_their_order(home: Path) -> None:
    config = config_at(home, max_parallel=1)
    served: list[int] = []
    threads = []

    def call(number: int) -> None:
        with slots.taken(config, party="search"):
            served.append(number)

    with slots.taken(config):
        for number in range(12):
            threads.append(threading.Thread(target=call, args=(number,)))
            threads[-1].start()
            assert until(lambda number=number: queued(home) == number + 1)
    for thread in threads:
        thread.join(20)
    assert served == list(range(12))


def test_a_newcomer_does_not_overtake_who_waits(home: Path) -> None:
    config = config_at(home, max_parallel=1)
    with turns.ticket(config, "search"), pytest.raises(SandboxBusy):
        run(Job(("true",)), config=SandboxConfig(**vars(config) | {"slot_wait_seconds": 0.2}))


@pytest.mark.fault
def test_who_died_waiting_keeps_nobody_back(home: Path) -> None:
    config = config_at(home, max_parallel=2)
    with both_slots(home):
        dead = caller(home, "dead", 15)
        assert until(lambda: queued(home) == 15, 40)
        alive = caller(home, "alive", 1)
        assert until(lambda: queued(home) == 16, 40)
        os.kill(dead.pid, signal.SIGKILL)
        dead.wait()
    assert alive.wait(timeout=20) == 0
    assert order(home) == ["alive"]
    assert run(Job(("true",)), config=config).ending is Ending.succeeded
    assert queued(home) == 0


def test_who_gave_up_leaves_no_ticket(home: Path) -> None:
    config = config_at(home, max_parallel=1, slot_wait_seconds=0.1)
    with slots.taken(config):
        with pytest.raises(SandboxBusy, match=r"busy for 0\.1 s"):
            run(Job(("true",)), config=config)
        assert queued(home) == 0
    assert run(Job(("true",)), config=config).ending is Ending.succeeded
