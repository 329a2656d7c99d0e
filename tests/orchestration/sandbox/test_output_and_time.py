"""Output is bytes and bounded; time is kept."""

from __future__ import annotations

import resource
import time
from dataclasses import replace

import pytest

from orchestration.sandbox import Ending
from tests.orchestration.sandbox.conftest import ROOMY, Sandbox


@pytest.mark.parametrize("stream", [1, 2])
def test_a_gigabyte_of_output_ends_the_job_and_is_not_kept(sandbox: Sandbox, stream: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    outcome = sandbox.run(
        *("sh", "-c", f"head -c 1073741824 /dev/zero >&{stream}"),
        limits=replace(ROOMY, output_bytes=100_000),
    )
    assert outcome.ending is Ending.output_exceeded
    assert outcome.truncated
    assert len(outcome.stdout) + len(outcome.stderr) == 100_000
    assert time.monotonic() - started < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_output_up_to_the_limit_is_kept_whole(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        "head", "-c", "100000", "/dev/zero", limits=replace(ROOMY, output_bytes=100_000)
    )
    assert (outcome.ending, len(outcome.stdout)) == (Ending.succeeded, 100_000)
    assert not outcome.truncated


def test_hostile_bytes_come_through_as_they_are(sandbox: Sandbox) -> None:
    hostile = bytes(range(256)) * 10
    assert sandbox.run("cat", stdin=hostile).stdout == hostile


def test_a_megabyte_of_input_is_echoed_without_a_deadlock(sandbox: Sandbox) -> None:
    content = b"x" * (4 << 20)
    outcome = sandbox.run("cat", stdin=content, limits=replace(ROOMY, output_bytes=8 << 20))
    assert outcome.stdout == content


def test_input_that_nobody_reads_is_no_error(sandbox: Sandbox) -> None:
    outcome = sandbox.run("true", stdin=b"x" * (4 << 20))
    assert outcome.ending is Ending.succeeded


def test_a_job_without_input_finds_the_end_of_it(sandbox: Sandbox) -> None:
    assert sandbox.run("cat").ending is Ending.succeeded


@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_a_job_out_of_time_is_ended_on_time(sandbox: Sandbox, seconds: float) -> None:
    started = time.monotonic()
    outcome = sandbox.run(
        *("sh", "-c", "echo before; sleep 60"), limits=replace(ROOMY, wall_seconds=seconds)
    )
    assert outcome.ending is Ending.timed_out
    assert outcome.stdout == b"before\n"
    assert seconds <= outcome.wall_seconds < seconds + 0.5
    assert time.monotonic() - started < seconds + 1


def test_exit_codes_are_told(sandbox: Sandbox) -> None:
    outcome = sandbox.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (outcome.ending, outcome.exit_code) == (Ending.failed, 7)
    assert (outcome.stdout, outcome.stderr) == (b"out\n", b"err\n")


def test_a_program_that_is_not_there_fails_as_in_a_shell(sandbox: Sandbox) -> None:
    outcome = sandbox.run("no-such-program")
    assert (outcome.ending, outcome.exit_code) == (Ending.failed, 127)


def test_a_job_has_no_terminal(sandbox: Sandbox) -> None:
    outcome = sandbox.python("open('/dev/tty')")
    assert outcome.ending is Ending.failed
