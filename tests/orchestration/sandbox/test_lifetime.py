"""Whatever is killed, nothing of a job is left; and jobs beside each other don't touch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sandbox import Ending, Job, Outcome, SandboxBusy, SandboxConfig, run
from tests.orchestration.sandbox.conftest import ROOMY, ROOT, left_cgroups
from tests.orchestration.sandbox.test_processes import alive

PLATFORM = """
import sys
from pathlib import Path
from orchestration.sandbox import Job, Limits, SandboxConfig, run
config = SandboxConfig(home=Path(sys.argv[1]), weak_limits=True)
run(Job(("sh", "-c", "setsid sleep " + sys.argv[2] + " & sleep " + sys.argv[2])), config=config)
"""


def until(condition: Callable[[], bool], seconds: float = 8) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def platform_with_a_job(home: Path, marker: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", PLATFORM, str(home), marker], cwd=ROOT)
    assert until(lambda: len(alive(f"sleep {marker}")) >= 2)
    return process


def marker() -> str:
    return f"{time.time_ns() % 10**9 + 10**9}"


@pytest.mark.fault
def test_killing_the_platform_leaves_no_process_and_no_cgroup(home: Path) -> None:
    word = marker()
    platform = platform_with_a_job(home, word)
    platform.kill()
    platform.wait()
    assert until(lambda: not alive(word))
    assert until(lambda: not left_cgroups(home))


@pytest.mark.fault
def test_killing_the_launcher_too_leaves_no_process(home: Path) -> None:
    word = marker()
    platform = platform_with_a_job(home, word)
    children = Path(f"/proc/{platform.pid}/task/{platform.pid}/children").read_text().split()
    platform.kill()
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    platform.wait()
    assert until(lambda: not alive(word))
    # What it could no longer clear away, the next job in that slot does; what is still dying may
    # hold the slot for a moment longer.
    config = SandboxConfig(home=home, weak_limits=True)
    assert until(lambda: bool(run(Job(("true",)), config=config)) and not left_cgroups(home))


@pytest.mark.fault
def test_a_killed_launcher_reads_as_a_killed_job(home: Path) -> None:
    word = marker()
    with ThreadPoolExecutor() as pool:
        config = SandboxConfig(home=home, weak_limits=True)
        future = pool.submit(run, Job(("sleep", word)), config=config)
        assert until(lambda: bool(alive(word)))
        [launcher] = launchers()
        os.kill(launcher, signal.SIGKILL)
        outcome = future.result(timeout=10)
    assert (outcome.ending, outcome.signal) == (Ending.killed, signal.SIGKILL)
    assert until(lambda: not alive(word))


def launchers() -> list[int]:
    """The launchers that threads of this process have started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            try:
                if "orchestration.sandbox.launcher" in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(int(pid))
            except OSError:
                continue
    return found


@pytest.mark.fault
def test_a_launcher_killed_at_any_instant_leaves_nothing(home: Path) -> None:
    config = SandboxConfig(home=home, weak_limits=True, max_parallel=1)
    words = []
    with ThreadPoolExecutor(1) as pool:
        for step in range(25):
            words.append(marker())
            future = pool.submit(run, Job(("sleep", words[-1])), config=config)
            assert until(lambda: bool(launchers()))
            time.sleep(step * 0.002)
            for pid in launchers():
                os.kill(pid, signal.SIGKILL)
            assert future.result(timeout=5).ending is Ending.killed
    assert until(lambda: not any(alive(word) for word in words))


def test_eight_threads_run_jobs_at_once(config: SandboxConfig) -> None:
    code = "import os, sys; print(sys.argv[1])"
    jobs = [Job(("python3", "-I", "-c", code, str(n)), limits=ROOMY) for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda job: run(job, config=config), jobs))
    assert [outcome.stdout for outcome in outcomes] == [f"{n}\n".encode() for n in range(24)]


def together(config: SandboxConfig, job: Job, times: int) -> list[Outcome]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: run(job, config=config), range(times)))


def test_jobs_beside_each_other_have_users_of_their_own(config: SandboxConfig) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give each slot a user of its own")
    outcomes = together(config, Job(("sleep", "0.5"), limits=ROOMY), 4)
    assert len({outcome.enforcement.uid for outcome in outcomes}) == 4


def test_processes_of_one_job_do_not_count_against_another(config: SandboxConfig) -> None:
    code = "import os, time\nfor _ in range(12):\n  os.fork() or (time.sleep(0.5), os._exit(0))"
    job = Job(("python3", "-I", "-c", code), limits=replace(ROOMY, processes=14))
    assert {outcome.ending for outcome in together(config, job, 4)} == {Ending.succeeded}


def test_a_job_beyond_the_bound_waits_and_then_is_told(home: Path) -> None:
    config = SandboxConfig(home=home, weak_limits=True, max_parallel=1, slot_wait_seconds=0.3)
    word = marker()
    other = platform_with_a_job(home, word)
    try:
        with pytest.raises(SandboxBusy, match=r"busy for 0\.3 s"):
            # The other process took the first slot, which is all that this one may use.
            run(Job(("true",)), config=config)
    finally:
        other.kill()
        other.wait()
    assert until(lambda: not alive(word))
    patient = replace(config, slot_wait_seconds=10)
    assert run(Job(("true",)), config=patient).ending is Ending.succeeded


def test_many_jobs_leave_no_process_behind(config: SandboxConfig) -> None:
    before = len(list(Path("/proc").glob("[0-9]*")))
    job = Job(("true",), limits=replace(ROOMY, processes=4))
    with ThreadPoolExecutor(2) as pool:
        endings = {o.ending for o in pool.map(lambda _: run(job, config=config), range(150))}
    assert endings == {Ending.succeeded}
    assert len(list(Path("/proc").glob("[0-9]*"))) < before + 50


def test_a_caller_that_is_interrupted_ends_its_job(home: Path) -> None:
    word = marker()
    platform = platform_with_a_job(home, word)
    platform.send_signal(signal.SIGINT)
    assert platform.wait(timeout=5) != 0
    assert until(lambda: not alive(word))


def test_no_thread_or_file_descriptor_is_left_after_a_call(config: SandboxConfig) -> None:
    run(Job(("true",)), config=config)
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")))
    for _ in range(5):
        run(Job(("cat",), stdin=b"x" * 100_000), config=config)
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before
