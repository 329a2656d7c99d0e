"""The starter runtime: a program of its own process, which knows only the REST API."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel import clock, outbox

from orchestration import runs, tasks
from orchestration.models import AgentTask, WorkflowRun
from orchestration.models.tasks import TaskStatus
from orchestration.runtimes import slots, starter
from registry.models import Agent, Credential, Team, User
from tests import factories
from tests.orchestration.runs import stories

pytestmark = [pytest.mark.django_db(transaction=True)]

PLATFORM = Path(__file__).resolve().parents[3] / "platform"
SOURCE = """
name: one
version: "1.0"
input: {type: object, properties: {how: {type: string}}}
steps:
  - name: work
    agent: program
    task: Work
    input: {how: "${ input.how }"}
    retry: {attempts: 2, backoff: 0}
"""
PROGRAM = """
import os, sys, time
sys.path.append(PLATFORM)
from starter.client import Platform
platform = Platform.from_environment()
how = platform.input["how"]
print("doing", how)
if how == "crash":
    sys.exit(3)
if how == "talk":
    print("x" * (4 * 1024 * 1024))
if how == "sleep":
    time.sleep(60)
platform.say(doing=how)
platform.complete({"how": how, "environment": sorted(os.environ), "folder": os.getcwd()})
"""


@pytest.fixture
def agent(team: Team, live_server: Any, settings: Any, tmp_path: Path) -> Iterator[Agent]:
    (tmp_path / "platform").mkdir()
    program = PROGRAM.replace("PLATFORM", repr(str(PLATFORM)))
    (tmp_path / "platform" / "story_program.py").write_text(program)
    settings.ROOT, settings.VAR = tmp_path, tmp_path / "var"
    settings.BASE_URL = live_server.url
    config = {"program": "story_program"}
    yield factories.make_agent("program", team, runtime="starter", runtime_config=config)
    wait_for(lambda: not children())


def children() -> list[str]:
    """The supervising threads that are alive."""
    return [each.name for each in threading.enumerate() if each.name.startswith("starter-")]


def wait_for(condition: Any, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def play(team: Team, alice: User, how: str) -> WorkflowRun:
    """Start a run whose one step behaves like `how`, and let the child do it."""
    workflow = stories.install(SOURCE, team)
    run = runs.start(workflow, input={"how": how}, project=None, by=alice.actor)
    outbox.drain()
    return run


def ended(run: WorkflowRun) -> bool:
    outbox.drain()
    return stories.status(run) in ("succeeded", "failed", "cancelled")


def test_a_program_does_its_task_through_rest(agent: Agent, team: Team, alice: User) -> None:
    run = play(team, alice, "work")
    wait_for(lambda: ended(run))
    task = AgentTask.objects.get(run=run)
    assert task.output["how"] == "work"
    assert task.progress == {"doing": "work"}
    wait_for(lambda: not children())
    key = Credential.objects.get(task_id=task.id)
    assert key.revoked_at is not None
    assert key.for_team_id == team.id
    assert not Path(task.output["folder"]).exists()


def test_a_program_gets_none_of_the_platforms_environment(
    agent: Agent, team: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    run = play(team, alice, "work")
    wait_for(lambda: ended(run))
    told = set(AgentTask.objects.get(run=run).output["environment"])
    assert "SECRET_KEY" not in told
    assert "DATABASE_URL" not in told
    assert {"GATEHOUSE_URL", "GATEHOUSE_KEY", "GATEHOUSE_TASK"} <= told


def test_a_program_that_dies_fails_the_attempt_with_its_last_words(
    agent: Agent, team: Team, alice: User
) -> None:
    run = play(team, alice, "crash")
    wait_for(lambda: ended(run))
    assert stories.status(run) == "failed"
    assert "status 3" in run.reason
    assert "doing crash" in run.reason
    assert "(2 attempts)" in run.reason
    assert AgentTask.objects.filter(run=run, status="failed").count() == 2
    assert runs.verify(run.id) == []


def test_what_a_program_prints_is_bounded(
    agent: Agent, team: Team, alice: User, settings: Any
) -> None:
    run = play(team, alice, "talk")
    wait_for(lambda: ended(run))
    assert stories.status(run) == "succeeded"
    log = settings.VAR / "logs" / "tasks" / f"{AgentTask.objects.get(run=run).id}.log"
    assert 1024 * 1024 <= log.stat().st_size < 1024 * 1024 + 100


def test_cancelling_the_run_stops_the_program(
    agent: Agent, team: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "RENEW_SECONDS", 0.2)
    run = play(team, alice, "sleep")
    wait_for(lambda: AgentTask.objects.filter(run=run, status="claimed").exists())
    runs.cancel(run.id, by=alice.actor, reason="")
    wait_for(lambda: not children())
    assert runs.verify(run.id) == []


def test_when_the_machine_is_full_the_message_is_put_off(
    agent: Agent, alice: User, settings: Any
) -> None:
    settings.STARTER_PARALLEL = 1
    held = slots.take(settings.VAR / "locks" / "starter", 1)
    assert held is not None
    task = tasks.queue(agent, task="Work", input={"how": "work"}, by=alice.actor)
    starter.launch(task.id)
    task.refresh_from_db()
    assert task.status == TaskStatus.QUEUED
    held.release()
    with clock.shifted(starter.WHEN_FULL * 2):
        outbox.drain()
        wait_for(lambda: AgentTask.objects.filter(id=task.id, status="succeeded").exists())


def test_closing_stops_the_programs_and_waits_for_their_ends(agent: Agent, alice: User) -> None:
    task = tasks.queue(agent, task="Work", input={"how": "sleep"}, by=alice.actor)
    starter.launch(task.id)
    wait_for(lambda: Credential.objects.filter(task_id=task.id).exists())
    began = time.monotonic()
    assert starter.close() == 0
    assert time.monotonic() - began < 10
    assert not children()
    assert Credential.objects.get(task_id=task.id).revoked_at is not None
    task.refresh_from_db()
    assert task.status == TaskStatus.CLAIMED, "its lease runs out, then another has a try"
    assert starter.close() == 0


def test_launched_twice_it_runs_once(agent: Agent, alice: User) -> None:
    task = tasks.queue(agent, task="Work", input={"how": "work"}, by=alice.actor)
    for _ in range(3):
        starter.launch(task.id)
    wait_for(lambda: AgentTask.objects.filter(id=task.id, status="succeeded").exists())
    task.refresh_from_db()
    assert task.attempt == 1
    assert Credential.objects.filter(task_id=task.id).count() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_a_program_dies_with_the_platform(tmp_path: Path) -> None:
    """The parent is killed; its child, asleep, is gone at once."""
    (tmp_path / "sleeper.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(starter.CHILD), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "up\n"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not _runs(child), seconds=5)


PARENT = """
import os, subprocess, sys, time
words = [sys.executable, sys.argv[1], str(os.getpid()), "sleeper"]
child = subprocess.Popen(words, cwd=sys.argv[2])
print(child.pid, flush=True)
time.sleep(60)
"""


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")
