"""`manage.py workflow`: validate and run a file."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from orchestration.models import Workflow, WorkflowRun
from registry.models import Agent, Team, User
from tests import factories
from tests.orchestration.runs import stories

pytestmark = pytest.mark.django_db


def call(*words: object) -> dict[str, object]:
    out = StringIO()
    call_command("workflow", *map(str, words), "--json", stdout=out, stderr=StringIO())
    answer: dict[str, object] = json.loads(out.getvalue())
    return answer


@pytest.fixture
def file(tmp_path: Path, agents: dict[str, Agent]) -> Path:
    path = tmp_path / "refactor.yaml"
    path.write_text(stories.SOURCE)
    return path


def test_a_good_file_is_fine_and_nothing_is_written(file: Path) -> None:
    answer = call("validate", file)
    assert answer["name"] == "refactor"
    assert not Workflow.objects.exists()


def test_a_bad_file_fails_with_line_and_place(file: Path) -> None:
    file.write_text(stories.SOURCE.replace("agent: checker", "agent: nobody"))
    err = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("workflow", "validate", str(file), stderr=err)
    assert ended.value.code == 1
    assert "/steps/1/agent: line 20: there is no agent 'nobody'" in err.getvalue()


def test_a_file_that_isnt_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="can't be read"):
        call_command("workflow", "validate", str(tmp_path / "none.yaml"))


def test_a_file_is_published_and_run_until_it_waits(
    tmp_path: Path, team: Team, alice: User, rita: User
) -> None:
    path = tmp_path / "ask.yaml"
    path.write_text(
        "name: ask\nversion: '1.0'\nteam: search\nsteps:\n"
        "  - {name: ask, gate: {question: 'Well?', reviewers: {role: reviewer}}}\n"
    )
    answer = call("run", path, "--user", "alice")
    assert answer["status"] == "waiting"
    run = WorkflowRun.objects.get()
    assert run.started_by_name == "alice"
    stories.vote(run, rita, "approve")
    assert stories.status(run) == "succeeded"


def test_a_run_that_fails_fails_the_command(tmp_path: Path, team: Team, alice: User) -> None:
    factories.make_agent("asleep", team, is_active=False)
    path = tmp_path / "fail.yaml"
    path.write_text(
        "name: fail\nversion: '1.0'\nteam: search\nsteps: [{name: a, agent: asleep, task: t}]\n"
    )
    with pytest.raises(SystemExit):
        call("run", path)
    assert WorkflowRun.objects.get().status == "failed"
