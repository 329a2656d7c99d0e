"""The main job, as `make demo` does it: a real server, real agents, a real sandbox, real git."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from portal.demo import sample

from tests import services

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

STEPS = ["refactor_agent", "test_agent", "human_review", "merge_agent"]
MEMBERS = {
    "run", "status", "reason", "url", "steps", "files_changed", "tests", "tool_calls",
    "decisions", "cost", "merge",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _needs() -> None:
    services.need("bubblewrap")
    services.need("git")


@dataclass(frozen=True)
class Demo:
    """How a demo ended."""

    status: int
    summary: dict[str, Any]
    said: str


def demo(*, repository: Path | None = None, decision: str = "approve") -> Demo:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"REPO", "DECISION"}
    }
    environment |= {"DECISION": decision} | ({"REPO": str(repository)} if repository else {})
    done = subprocess.run(
        [sys.executable, str(settings.ROOT / "manage.py"), "demo", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    return Demo(done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr)


def git(repository: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(repository), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's repository, with work under way in its tree."""
    made = sample.make_repository(tmp_path / "authservice")
    (made / "README.md").write_text("half a sentence")
    (made / "notes.txt").write_text("not added yet")
    return made


def state_of(repository: Path) -> dict[str, str]:
    """Everything but git's own objects, byte by byte."""
    return dict(_contents(repository))


def _contents(repository: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(repository.rglob("*")):
        name = str(path.relative_to(repository))
        if path.is_file() and not name.startswith((".git/objects", ".git/refs/heads/gatehouse")):
            yield name, hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_approved_run_merges_code_and_tests() -> None:
    ended = demo()
    summary = ended.summary
    assert ended.status == 0, ended.said
    assert set(summary) == MEMBERS
    assert summary["status"] == "succeeded"
    assert [step["name"] for step in summary["steps"]] == STEPS
    assert {step["status"] for step in summary["steps"]} == {"succeeded"}
    assert [step["attempts"] for step in summary["steps"]] == [1, 1, 1, 1]
    tests = summary["tests"]
    assert tests["written"] >= 1
    assert tests["after"]["failed"] <= tests["before"]["failed"] == 0
    assert tests["after"]["passed"] >= tests["before"]["passed"] + tests["written"]
    calls = summary["tool_calls"]
    assert calls["total"] == calls["allowed"] + calls["approved"] + calls["denied"] > 0
    assert summary["cost"] == "0.12"
    assert {each["agent"] for each in summary["decisions"]} == set(STEPS) - {"human_review"}
    merge = summary["merge"]
    merged = Path(merge["repository"])
    assert git(merged, "rev-parse", merge["branch"]) == merge["commit"]
    assert git(merged, "rev-parse", "main") == merge["commit"]
    changed = git(merged, "diff", "--name-only", f"{merge['commit']}~1", merge["commit"])
    assert sorted(changed.splitlines()) == summary["files_changed"]


def test_a_rejected_run_leaves_the_original_as_it_was(repository: Path) -> None:
    before = state_of(repository)
    ended = demo(repository=repository, decision="reject")
    assert ended.status == 0, ended.said
    assert ended.summary["status"] == "rejected"
    assert "Not now." in ended.summary["reason"]
    assert ended.summary["merge"] is None
    assert ended.summary["steps"][3]["status"] == "skipped"
    assert git(repository, "branch", "--list", "gatehouse/*") == ""
    assert state_of(repository) == before


def test_requested_changes_bring_another_candidate(repository: Path) -> None:
    before, head = state_of(repository), git(repository, "rev-parse", "HEAD")
    ended = demo(repository=repository, decision="changes")
    summary = ended.summary
    assert ended.status == 0, ended.said
    assert summary["status"] == "succeeded"
    assert summary["steps"][0]["attempts"] == 2
    moves = [each for each in summary["decisions"] if each["agent"] == "refactor_agent"]
    assert len({each["decision"] for each in moves}) == len(moves) >= 2
    merge = summary["merge"]
    assert merge["repository"] == str(repository)
    assert git(repository, "rev-parse", merge["branch"]) == merge["commit"]
    assert git(repository, "rev-parse", f"{merge['commit']}~1") == head
    changed = git(repository, "diff", "--name-only", head, merge["commit"]).splitlines()
    assert sorted(changed) == summary["files_changed"]
    assert state_of(repository) == before


def test_a_repository_where_nothing_can_be_moved_is_told_so(tmp_path: Path) -> None:
    repository = tmp_path / "tiny"
    repository.mkdir()
    (repository / "tiny.py").write_text("def one():\n    return 1\n")
    git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "add", "--all")
    identity = ("-c", "user.name=alice", "-c", "user.email=alice@localhost")
    git(repository, *identity, "commit", "--quiet", "--message=One")
    ended = demo(repository=repository)
    assert ended.status == 1
    assert ended.summary["status"] == "failed"
    assert "Nothing sensible can be moved" in ended.summary["reason"]
    assert git(repository, "branch", "--list", "gatehouse/*") == ""
