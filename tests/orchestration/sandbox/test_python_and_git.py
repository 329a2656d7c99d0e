"""What a job finds to work with."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestration.sandbox import Bind, Ending, python_runtime
from tests.orchestration.sandbox.conftest import Sandbox


def test_python_is_the_platforms_version(sandbox: Sandbox) -> None:
    for name in ("python3", "python"):
        outcome = sandbox.run(name, "-c", "import sys, ssl, sqlite3, ctypes; print(sys.version)")
        assert outcome.stdout.decode().strip() == sys.version, outcome


def test_packages_of_the_host_are_not_there(sandbox: Sandbox) -> None:
    code = "import importlib.metadata as m; print([d.name for d in m.distributions()])"
    assert sandbox.run("python3", "-c", code).stdout == b"[]\n"


def test_python_path_is_honoured(own: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text("WORD = 'hello'")
    outcome = own.run(
        *("python3", "-c", "import greeting; print(greeting.WORD)"),
        env={"PYTHONPATH": "/layer"},
        binds=(Bind(tmp_path, "/layer"),),
    )
    assert outcome.stdout == b"hello\n"


def test_python_can_use_several_processes(sandbox: Sandbox) -> None:
    code = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
"""
    assert sandbox.python(code).stdout == b"[1, 2]\n"


COMMIT = """
set -e
git --version
git init -q repository && cd repository
echo hello > file && git add file && git commit -q -m "Add a file"
git log --format=%an:%s
"""
IDENTITY = {
    "GIT_AUTHOR_NAME": "alice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org",
}


def test_git_commits(sandbox: Sandbox) -> None:
    outcome = sandbox.run("sh", "-c", COMMIT, env=IDENTITY)
    assert outcome.ending is Ending.succeeded, outcome
    assert outcome.stdout.splitlines()[-1] == b"alice:Add a file"


def test_git_commits_in_a_bound_repository(own: Sandbox, tmp_path: Path) -> None:
    binds = (Bind(tmp_path, "/workspace", writable=True),)
    assert own.run("sh", "-c", COMMIT, env=IDENTITY, binds=binds).ending is Ending.succeeded
    again = own.run("git", "-C", "repository", "log", "--format=%s", env=IDENTITY, binds=binds)
    assert again.stdout == b"Add a file\n", again


def test_the_runtime_is_the_base_interpreter() -> None:
    runtime = python_runtime()
    assert runtime.version == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert runtime.source in (None, Path(sys.base_prefix).resolve())
