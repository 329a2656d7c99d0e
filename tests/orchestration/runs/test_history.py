"""The checker of histories finds each thing that can't have happened."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F

from orchestration import runs
from orchestration.models import RunEvent, Step, WorkflowRun
from registry.models import User
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(start: Start, rita: User) -> WorkflowRun:
    started = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    stories.vote(started, rita, "approve")
    stories.do("publisher", {"place": "/"})
    assert runs.verify(started.id) == []
    return started


def event(run: WorkflowRun, name: str, step: str = "") -> RunEvent:
    found = RunEvent.objects.filter(run=run, name=name, step=step).first()
    assert found is not None
    return found


def append(run: WorkflowRun, name: str, step: str, **data: object) -> None:
    WorkflowRun.objects.filter(id=run.id).update(last_seq=F("last_seq") + 1)
    run.refresh_from_db()
    RunEvent.objects.create(
        run=run, team_id=run.team_id, seq=run.last_seq, name=name, step=step, iteration=1, data=data
    )


def found(run: WorkflowRun) -> str:
    return "; ".join(runs.verify(run.id))


def test_a_missing_event(run: WorkflowRun) -> None:
    event(run, "step.claimed", "check").delete()
    assert "aren't dense" in found(run)
    assert "last claimed with 0" in found(run)


def test_work_after_the_end(run: WorkflowRun) -> None:
    append(run, "step.started", "write", token=9)
    assert "comes after the end" in found(run)


def test_a_second_result(run: WorkflowRun) -> None:
    append(run, "step.succeeded", "write", token=1)
    assert "succeeded twice" in found(run)


def test_a_result_with_an_old_token(run: WorkflowRun) -> None:
    RunEvent.objects.filter(id=event(run, "step.succeeded", "check").id).update(data={"token": 0})
    assert "succeeded with token 0" in found(run)


def test_a_second_end(run: WorkflowRun) -> None:
    append(run, "run.finished", "", status="succeeded")
    assert "2 endings" in found(run)


def test_a_row_that_its_events_dont_explain(run: WorkflowRun) -> None:
    Step.objects.filter(run=run, name="publish").update(status="skipped")
    assert "publish.1 is skipped, its events say succeeded" in found(run)


def test_a_gate_that_nobody_decided(run: WorkflowRun) -> None:
    row = event(run, "gate.closed", "review")
    RunEvent.objects.filter(id=row.id).update(name="task.event")
    assert "without a question" in found(run)


def test_a_step_that_didnt_wait(run: WorkflowRun) -> None:
    first, second = event(run, "step.succeeded", "write"), event(run, "step.started", "check")
    RunEvent.objects.filter(id=first.id).update(seq=10_000)
    RunEvent.objects.filter(id=second.id).update(seq=first.seq)
    RunEvent.objects.filter(id=first.id).update(seq=second.seq)
    assert "began while write was running" in found(run)


def test_the_command_tells_and_fails(run: WorkflowRun) -> None:
    out = StringIO()
    call_command("runs", "verify", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"checked": 1, "faults": {}}
    append(run, "run.finished", "", status="succeeded")
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("runs", "verify", str(run.id), "--json", stdout=out)
    assert ended.value.code == 1
    assert "2 endings" in json.loads(out.getvalue())["faults"][str(run.id)][0]
