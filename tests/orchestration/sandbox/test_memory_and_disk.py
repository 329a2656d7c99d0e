"""Memory, disk and files have an end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sandbox import Bind, Ending
from tests.orchestration.sandbox.conftest import ROOMY, Sandbox

SMALL = replace(ROOMY, memory_bytes=96 << 20)
MANY = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(os.urandom(1 << 20) * 40)
        time.sleep(60)
os.wait()
time.sleep(60)
"""


def held_by_cgroup(sandbox: Sandbox) -> None:
    if sandbox.run("true").enforcement.memory == "rlimit":
        pytest.skip("no memory cgroup can be written here; run as root or delegate one")


def test_memory_filled_by_one_process_ends_the_job(own: Sandbox) -> None:
    held_by_cgroup(own)
    outcome = own.python("held = bytearray(b'x' * (1 << 30))", limits=SMALL)
    assert outcome.ending is Ending.memory_exceeded
    assert outcome.peak_memory_bytes is not None
    assert outcome.peak_memory_bytes <= 96 << 20


def test_memory_filled_by_many_processes_ends_the_job(own: Sandbox) -> None:
    held_by_cgroup(own)
    outcome = own.python(MANY, limits=SMALL)
    assert outcome.ending is Ending.memory_exceeded
    assert outcome.wall_seconds < 15


def test_a_cgroup_made_for_another_user_holds_its_jobs(another_user_with_cgroups: Sandbox) -> None:
    outcome = another_user_with_cgroups.python(MANY, limits=SMALL)
    assert outcome.enforcement.memory == "cgroup v1"
    assert outcome.ending is Ending.memory_exceeded


def test_without_a_cgroup_each_process_is_held_by_itself(another_user: Sandbox) -> None:
    outcome = another_user.python("held = bytearray(1 << 30)", limits=SMALL)
    assert outcome.enforcement.memory == "rlimit"
    assert outcome.ending is Ending.failed
    assert b"MemoryError" in outcome.stderr


def test_files_in_private_places_count_as_memory(own: Sandbox) -> None:
    held_by_cgroup(own)
    limits = replace(SMALL, disk_bytes=512 << 20, file_bytes=512 << 20)
    outcome = own.run("dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=300", limits=limits)
    assert outcome.ending is Ending.memory_exceeded


FILL = """
import os, sys
written = 0
try:
    for number in range(1000):
        with open(os.path.join(sys.argv[1], str(number)), "wb", buffering=0) as file:
            for _ in range(8):
                written += file.write(bytes(1 << 20))
except OSError as error:
    print(written >> 20, error.errno)
"""


@pytest.mark.parametrize(("place", "most"), [("/workspace", 32), ("/tmp", 32), ("/dev/shm", 32)])
def test_a_full_disk_is_an_error_for_the_job_alone(sandbox: Sandbox, place: str, most: int) -> None:
    outcome = sandbox.run("python3", "-I", "-c", FILL, place)
    assert outcome.stdout.decode().split() == [str(most), "28"]


def test_no_file_grows_beyond_its_limit(sandbox: Sandbox) -> None:
    outcome = sandbox.run("dd", "if=/dev/zero", "of=/workspace/big", "bs=1M", "count=20")
    assert (outcome.ending, outcome.signal) == (Ending.killed, 25)


def test_python_takes_a_file_beyond_its_limit_as_an_error(sandbox: Sandbox) -> None:
    outcome = sandbox.python("open('/tmp/big', 'wb').write(bytes(20 << 20))")
    assert outcome.ending is Ending.failed
    assert b"File too large" in outcome.stderr


def test_a_writable_bind_cannot_be_grown_without_end(own: Sandbox, tmp_path: Path) -> None:
    outcome = own.run(
        *("python3", "-I", "-c", FILL.replace("range(1000)", "__import__('itertools').count()")),
        "/data",
        binds=(Bind(tmp_path, "/data", writable=True),),
        limits=replace(ROOMY, disk_bytes=16 << 20),
    )
    assert (outcome.ending, outcome.signal) == (Ending.killed, 25)
