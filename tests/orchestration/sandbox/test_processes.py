"""How many processes a job may have, and that none of them outlives it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sandbox import Ending
from tests.orchestration.sandbox.conftest import ROOMY, Sandbox


def alive(word: str) -> list[str]:
    """Command lines of the host's processes that hold `word`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


def test_a_fork_bomb_ends_with_the_job(sandbox: Sandbox) -> None:
    code = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    outcome = sandbox.python(code, limits=replace(ROOMY, wall_seconds=2))
    assert outcome.ending is Ending.timed_out
    assert outcome.wall_seconds < 4


COUNT = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except OSError as error:
    print(made, type(error).__name__, flush=True)
"""


def test_no_more_processes_than_allowed_can_be_made(sandbox: Sandbox) -> None:
    outcome = sandbox.python(COUNT, limits=replace(ROOMY, processes=20))
    made, error = outcome.stdout.split()
    assert error == b"BlockingIOError"
    # Its own first process and bubblewrap's count too.
    assert 17 <= int(made) <= 20


def test_three_hundred_quick_starts_leave_no_zombies_that_count(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        *(
            "sh",
            "-c",
            "i=0; while [ $i -lt 300 ]; do /bin/true || exit 1; i=$((i+1)); done; echo $i",
        ),
        limits=replace(ROOMY, processes=16),
    )
    assert (outcome.ending, outcome.stdout) == (Ending.succeeded, b"300\n")


def test_orphans_of_a_job_are_reaped_within_it(sandbox: Sandbox) -> None:
    code = """
import os, subprocess
for _ in range(100):
    subprocess.run(["sh", "-c", "sh -c true & exit 0"], check=True)
print("done")
"""
    outcome = sandbox.python(code, limits=replace(ROOMY, processes=16))
    assert outcome.stdout == b"done\n", outcome


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        os.execvp("sleep", ["sleep", sys.argv[1]])
    os._exit(0)
os.wait()
"""


def test_a_daemon_does_not_outlive_the_call(sandbox: Sandbox) -> None:
    marker = f"{time.time_ns() % 10**9 + 10**9}"
    outcome = sandbox.run("python3", "-I", "-c", DAEMON, marker)
    assert outcome.ending is Ending.succeeded
    assert alive(marker) == []


def test_a_child_that_keeps_the_output_open_does_not_hold_the_call(sandbox: Sandbox) -> None:
    started = time.monotonic()
    outcome = sandbox.run("sh", "-c", "sleep 1234567 & echo over")
    assert (outcome.ending, outcome.stdout) == (Ending.succeeded, b"over\n")
    assert time.monotonic() - started < 3


def test_a_job_that_ignores_every_signal_is_ended_in_time(sandbox: Sandbox) -> None:
    code = """
import signal, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
time.sleep(60)
"""
    outcome = sandbox.python(code, limits=replace(ROOMY, wall_seconds=1))
    assert outcome.ending is Ending.timed_out
    assert 1.0 <= outcome.wall_seconds < 2.0


def test_a_job_cannot_signal_processes_of_the_host(sandbox: Sandbox) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        code = f"""
import os
for pid in ({bystander.pid}, -{bystander.pid}, 1):
    try:
        os.kill(pid, 9)
    except OSError:
        pass
try:
    os.kill(-1, 15)
except OSError:
    pass
"""
        sandbox.python(code)
        assert bystander.poll() is None
        bystander.kill()


def test_a_job_that_kills_itself_is_told_as_killed(sandbox: Sandbox) -> None:
    outcome = sandbox.run("sh", "-c", "kill -SEGV $$")
    assert (outcome.ending, outcome.signal, outcome.exit_code) == (Ending.killed, 11, None)


def test_threads_count_as_processes(sandbox: Sandbox) -> None:
    code = """
import threading, time
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
except RuntimeError:
    print("refused", flush=True)
"""
    outcome = sandbox.python(code, limits=replace(ROOMY, processes=10))
    assert outcome.stdout == b"refused\n"


@pytest.mark.parametrize("cpus", [0.25])
def test_cpu_time_is_rationed(own: Sandbox, cpus: float) -> None:
    code = "import time\nend=time.monotonic()+2\nwhile time.monotonic()<end: pass"
    outcome = own.python(code, limits=replace(ROOMY, cpus=cpus))
    if outcome.enforcement.cpu == "rlimit":
        pytest.skip("no cpu cgroup can be written here; run as root or delegate one")
    assert 0.2 < outcome.cpu_seconds < 1.0
