"""Booted sandboxes: how many, for whom, for how long, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sandbox import Ending, SandboxConfig, drain, locks, run, slots, state
from orchestration.sandbox import pool as pools
from orchestration.sandbox.pool import POOL
from orchestration.sandbox.warm import idle_of
from tests.orchestration.sandbox.conftest import ROOMY, ROOT, left_cgroups
from tests.orchestration.sandbox.warmth import Warmth, config_at, program, until, warmth

OWNER = """
import os, signal, sys, threading, time
from pathlib import Path
from orchestration.sandbox import state, drain, run
from tests.orchestration.sandbox.warmth import config_at, program
config = config_at(Path(sys.argv[1]), max_idle=int(sys.argv[2]))
run(program("pass"), config=config)
run(program("pass"), config=config)
while not state(config).idle and time.monotonic() % 1000:
    if state(config).idle_on_machine >= config.max_idle: break
    time.sleep(0.01)
print("ready", flush=True)
exec(sys.stdin.read())
"""


def owner(home: Path, idle: int = 2) -> subprocess.Popen[str]:
    """A process of its own with booted sandboxes; what is written to it, it executes."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home), str(idle)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def waiting(home: Path) -> list[int]:
    """The processes of launchers that keep a place among this home's berths."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if "orchestration.sandbox.waiting" not in (folder / "cmdline").read_text():
                continue
            held = [os.readlink(each) for each in (folder / "fd").iterdir()]
        except OSError:
            continue
        if any(str(home / "berths") in each for each in held):
            found.append(int(folder.name))
    return found


def end(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        # One that had served its call may have gone meanwhile.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def nothing_left(home: Path) -> bool:
    return (
        not waiting(home)
        and not left_cgroups(home)
        and not locks.taken(home / "idle")
        and not locks.taken(home / "berths")
    )


@pytest.fixture
def pool(home: Path) -> Iterator[Warmth]:
    with warmth(home) as found:
        yield found


def test_the_second_call_is_warm(pool: Warmth) -> None:
    assert run(program("print(1)"), config=pool.config).enforcement.start == "cold"
    assert until(pool.idle)
    warm = run(program("print(2)"), config=pool.config)
    assert (warm.enforcement.start, warm.stdout) == ("warm", b"2\n")


def test_where_none_is_ready_the_call_runs_cold(pool: Warmth) -> None:
    pool.ready(program("pass"))
    with ThreadPoolExecutor(4) as threads:
        jobs = [program(f"import time; time.sleep(0.2); print({n})") for n in range(4)]
        outcomes = list(threads.map(lambda job: run(job, config=pool.config), jobs))
    assert [outcome.stdout for outcome in outcomes] == [f"{n}\n".encode() for n in range(4)]
    assert {outcome.enforcement.start for outcome in outcomes} == {"warm", "cold"}


def test_what_is_asked_for_at_once_is_kept_at_once_but_no_more_than_allowed(pool: Warmth) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: run(program("pass"), config=pool.config), range(12)))
    assert until(lambda: pool.idle() == 2)
    time.sleep(0.5)
    assert pool.idle() == locks.taken(idle_of(pool.config)) == 2


def test_the_bound_holds_for_all_processes_together(home: Path) -> None:
    owners = [owner(home, 2) for _ in range(3)]
    for _ in range(20):
        assert locks.taken(home / "idle") <= 2
        assert len(waiting(home)) <= 2 + 3
        time.sleep(0.05)
    for each in owners:
        each.kill()
        each.wait()
    assert until(lambda: nothing_left(home))


def test_idle_ones_take_no_slot_from_work(home: Path) -> None:
    with warmth(home, max_idle=3, max_parallel=1, slot_wait_seconds=5) as pool:
        pool.ready(program("pass"))
        other = program("print(1)", limits=replace(ROOMY, disk_bytes=16 << 20))
        assert run(other, config=pool.config).ending is Ending.succeeded


def test_a_warm_call_takes_a_slot_like_any_other(home: Path) -> None:
    with warmth(home, max_parallel=1, slot_wait_seconds=0.2) as pool:
        pool.ready(program("pass"))
        with ThreadPoolExecutor(1) as thread:
            busy = thread.submit(pool.warm, program("import time; time.sleep(2)"))
            assert until(lambda: locks.taken(slots.slots_of(pool.config)))
            with pytest.raises(Exception, match="busy"):
                run(program("print(1)"), config=pool.config)
            assert busy.result().ending is Ending.succeeded


def test_a_profile_that_is_asked_for_now_takes_the_place_of_an_older_one(home: Path) -> None:
    with warmth(home, max_idle=1) as pool:
        pool.warm(program("pass"))
        assert until(pool.idle)
        other = program("print(1)", limits=replace(ROOMY, disk_bytes=16 << 20))
        run(other, config=pool.config)
        ready = {"python3 /code/main.py disk 32 MiB": 0, "python3 /code/main.py disk 16 MiB": 1}
        assert until(lambda: state(pool.config).profiles == ready), state(pool.config)


def test_what_nobody_asks_for_is_given_up(home: Path) -> None:
    with warmth(home, idle_seconds=0.5) as pool:
        pool.ready(program("pass"))
        assert until(lambda: nothing_left(home))
        assert state(pool.config).profiles == {}


def test_without_memory_to_spare_none_is_made(
    pool: Warmth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "memory_to_spare", lambda: 1 << 20)
    run(program("pass"), config=pool.config)
    assert until(lambda: state(pool.config).errors)
    assert "memory is short" in state(pool.config).errors[0]
    assert pool.idle() == 0


def test_one_that_died_waiting_is_not_used(pool: Warmth, home: Path) -> None:
    pool.ready(program("pass"))
    end(waiting(home), signal.SIGKILL)
    outcome = run(program("print(1)"), config=pool.config)
    assert (outcome.ending, outcome.stdout) == (Ending.succeeded, b"1\n")
    assert until(pool.idle)


def test_draining_ends_everything(pool: Warmth, home: Path) -> None:
    pool.ready(program("pass"))
    drain()
    assert nothing_left(home)
    assert run(program("print(1)"), config=pool.config).stdout == b"1\n"


def test_draining_twice_and_with_nothing_there_is_fine(pool: Warmth) -> None:
    drain()
    drain()


@pytest.mark.fault
@pytest.mark.parametrize(
    "last",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
        "os._exit(0)",
        "sys.exit()",
        "drain(); os._exit(0)",
    ],
)
def test_however_the_owner_ends_nothing_is_left(home: Path, last: str) -> None:
    process = owner(home)
    assert waiting(home)
    process.communicate(last, timeout=20)
    assert until(lambda: nothing_left(home)), (waiting(home), left_cgroups(home))


@pytest.mark.fault
def test_a_launcher_that_is_asked_to_end_does_so_in_order(home: Path) -> None:
    process = owner(home)
    end(waiting(home), signal.SIGTERM)
    process.communicate("drain()", timeout=20)
    assert until(lambda: nothing_left(home))


@pytest.mark.fault
def test_the_owner_killed_in_the_middle_of_a_warm_call_leaves_nothing(home: Path) -> None:
    process = owner(home)
    assert process.stdin is not None
    code = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    process.stdin.write(f"run(program({code!r}), config=config)")
    process.stdin.close()
    assert until(lambda: locks.taken(home / "slots"))
    process.kill()
    process.wait()
    assert until(lambda: nothing_left(home) and not locks.taken(home / "slots"))


@pytest.mark.fault
def test_a_launcher_killed_in_the_middle_of_a_warm_call_reads_as_a_killed_job(
    pool: Warmth, home: Path
) -> None:
    pool.ready(program("pass"))
    [launcher, *_] = waiting(home)
    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(run, program("import time; time.sleep(60)"), config=pool.config)
        assert until(lambda: locks.taken(slots.slots_of(pool.config)))
        time.sleep(0.3)
        end([launcher], signal.SIGKILL)
        outcome = call.result(timeout=20)
    assert (outcome.ending, outcome.signal) == (Ending.killed, signal.SIGKILL)
    assert until(lambda: not locks.taken(slots.slots_of(pool.config)))


@pytest.mark.fault
def test_a_forked_child_neither_uses_nor_keeps_the_parents(home: Path) -> None:
    process = owner(home)
    told, _ = process.communicate(
        """
before = state(config).idle
if os.fork() == 0:
    outcome = run(program("print('from the child')"), config=config)
    print(state(config).served, outcome.enforcement.start, flush=True)
    os.close(1)
    time.sleep(6)
    os._exit(0)
time.sleep(1)
print(before >= 1 and state(config).idle >= before, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""",
        timeout=20,
    )
    assert sorted(told.split()) == ["0", "True", "cold"]
    # The child lives on, and the parent's sandboxes are gone all the same.
    assert until(lambda: len(waiting(home)) <= 2, 4)
    assert until(lambda: nothing_left(home))


@pytest.mark.fault
def test_cgroups_of_killed_launchers_are_swept_by_whoever_starts_next(home: Path) -> None:
    process = owner(home)
    process.send_signal(signal.SIGSTOP)
    end(waiting(home), signal.SIGKILL)
    process.kill()
    process.wait()
    assert until(lambda: not waiting(home))
    if not left_cgroups(home):
        pytest.skip("without cgroups there is nothing to leave")
    # A process that never starts a warm one, and whose jobs take the first slot.
    code = "run(program('pass'), config=replace(config, max_idle=0))"
    start = "from dataclasses import replace\n" + OWNER.split("run(program")[0]
    command = [sys.executable, "-c", start + code, str(home), "0"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=30)
    assert left_cgroups(home) == []


def test_no_descriptor_and_no_process_is_left_of_many_calls(pool: Warmth) -> None:
    pool.warm(program("pass"))
    assert until(lambda: pool.idle() == 1 and not POOL._leaving)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(8):
        pool.warm(program("print(1)", stdin=b"x" * 100_000))
    assert until(lambda: pool.idle() >= 1 and not POOL._leaving)
    # Eight for each that waits: three streams, two channels, the gate and two to see its end; and
    # its two locks.
    assert len(os.listdir("/proc/self/fd")) <= before + 10


def test_state_is_told_for_one_home(pool: Warmth, tmp_path: Path) -> None:
    pool.ready(program("pass"))
    other: SandboxConfig = config_at(tmp_path / "other")
    assert (state(other).idle, state(other).profiles) == (0, {})
    assert state(pool.config).idle == 1
