"""What a job is given of the host: read-only unless said otherwise, and nothing beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.sandbox import Bind, Ending, Job, SandboxConfig, run
from tests.orchestration.sandbox.conftest import ROOT, Sandbox


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A directory that only the platform's user may read."""
    folder = tmp_path / "given"
    folder.mkdir(mode=0o700)
    (folder / "file").write_text("given")
    (folder / "file").chmod(0o600)
    (tmp_path / "beside").write_text("not given")
    return folder


def test_a_bind_is_read_by_the_job_whoever_else_may(own: Sandbox, private: Path) -> None:
    outcome = own.run("cat", "/data/file", binds=(Bind(private, "/data"),))
    assert outcome.stdout == b"given"


def test_a_bind_is_not_written_unless_it_says_so(own: Sandbox, private: Path) -> None:
    outcome = own.run("sh", "-c", "echo x > /data/file", binds=(Bind(private, "/data"),))
    assert outcome.ending is Ending.failed
    assert (private / "file").read_text() == "given"


def test_what_is_written_to_a_writable_bind_belongs_to_the_platform(
    own: Sandbox, private: Path
) -> None:
    outcome = own.run(
        *("sh", "-c", "echo new > /data/new && mkdir /data/folder && rm /data/file"),
        binds=(Bind(private, "/data", writable=True),),
    )
    assert outcome.ending is Ending.succeeded, outcome
    assert sorted(os.listdir(private)) == ["folder", "new"]
    assert (private / "new").stat().st_uid == os.geteuid()
    assert (private / "new").read_text() == "new\n"


def test_a_link_in_a_bind_does_not_lead_out_of_it(own: Sandbox, private: Path) -> None:
    (private / "link").symlink_to(private.parent / "beside")
    (private / "up").symlink_to("../beside")
    outcome = own.run(
        "cat", "/data/link", "/data/up", "/data/../beside", binds=(Bind(private, "/data"),)
    )
    assert (outcome.ending, outcome.stdout) == (Ending.failed, b"")


def test_a_link_made_in_a_writable_bind_is_only_a_link(own: Sandbox, private: Path) -> None:
    own.run("ln", "-s", "/etc/passwd", "/data/link", binds=(Bind(private, "/data", writable=True),))
    assert os.readlink(private / "link") == "/etc/passwd"


def test_a_single_file_can_be_bound(own: Sandbox, private: Path) -> None:
    outcome = own.run(
        "cat", "/workspace/in.txt", binds=(Bind(private / "file", "/workspace/in.txt"),)
    )
    assert outcome.stdout == b"given"


def test_a_bind_can_be_the_workspace(own: Sandbox, private: Path) -> None:
    outcome = own.run("ls", binds=(Bind(private, "/workspace", writable=True),))
    assert outcome.stdout == b"file\n"


def test_binds_may_lie_in_each_other(own: Sandbox, private: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "deep").write_text("deep")
    outcome = own.run(
        *("cat", "/workspace/a/deep"),
        binds=(Bind(inner, "/workspace/a"), Bind(private, "/workspace", writable=True)),
    )
    assert outcome.stdout == b"deep"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/etc",
        "/etc/passwd",
        "/usr/lib/x",
        "/proc/1",
        "/dev/null",
        "relative",
        "/a/../etc",
        "//x",
    ],
)
def test_a_bind_over_the_sandboxes_own_system_is_refused(
    own: Sandbox, private: Path, target: str
) -> None:
    with pytest.raises(ValueError, match="Bind target"):
        own.run("true", binds=(Bind(private, target),))


def test_a_source_that_is_not_there_is_named(own: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gone can't be reached: No such file"):
        own.run("true", binds=(Bind(tmp_path / "gone", "/data"),))


def test_a_source_that_is_a_link_is_refused(own: Sandbox, private: Path) -> None:
    (private / "link").symlink_to("/root")
    with pytest.raises(ValueError, match="is a symbolic link"):
        own.run("true", binds=(Bind(private / "link", "/data"),))


ON_RAMFS = """
import sys, os
from pathlib import Path
from orchestration.sandbox import Bind, Job, SandboxConfig, run, system
home, place = Path(sys.argv[1]), Path(sys.argv[2])
system.check(system.libc.unshare(system.CLONE_NEWNS), "unshare")
system.mount("none", "/", None, system.MS_REC | system.MS_PRIVATE)
system.mount("ramfs", str(place), "ramfs", 0, "mode=0700")
(place / "file").write_text("given")
(place / "file").chmod(0o600)
outcome = run(
    Job(("sh", "-c", "cat /data/file; echo new > /data/new"), binds=(Bind(place, "/data", True),)),
    config=SandboxConfig(home=home, weak_limits=True),
)
print(outcome.stdout.decode(), (place / "new").read_text().strip(), outcome.stderr)
print([path.stat().st_uid for path in (place, place / "file", place / "new")])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system to try it on")
def test_a_file_system_without_mapped_mounts_is_handed_over_and_back(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", ON_RAMFS, str(tmp_path / "home"), str(place)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "given new b''\n[0, 0, 0]\n"


@pytest.mark.parametrize("argv", [("echo", "x" * 200_000), ("echo", *["x" * 90_000] * 12)])
def test_arguments_that_no_program_can_take_are_refused(
    argv: tuple[str, ...], config: SandboxConfig
) -> None:
    with pytest.raises(ValueError, match="use stdin"):
        run(Job(argv), config=config)


def test_long_arguments_and_many_variables_arrive(own: Sandbox) -> None:
    env = {f"NAME_{number}": "y" * 100 for number in range(900)}
    code = "import os, sys; print(len(sys.argv[1]), sum(n.startswith('NAME_') for n in os.environ))"
    outcome = own.run("python3", "-c", code, "x" * 90_000, env=env)
    assert outcome.stdout == b"90000 900\n", outcome


@pytest.mark.parametrize(
    "job",
    [
        Job(()),
        Job(("echo", "a\0b")),
        Job(("true",), env={"A=B": "x"}),
        Job(("true",), env={"": "x"}),
        Job(("true",), env={"A": "x\0"}),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(job: Job, config: SandboxConfig) -> None:
    with pytest.raises(ValueError, match=r"Job\.argv"):
        run(job, config=config)


def test_an_argument_is_never_taken_for_an_option_of_bubblewrap(own: Sandbox) -> None:
    outcome = own.run("--bind", "/", "/host", "ls")
    assert (outcome.ending, outcome.exit_code) == (Ending.failed, 127)
