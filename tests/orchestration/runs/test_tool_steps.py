"""Tool steps: the workflow's own calls go through the pipeline, and take effect once."""

from datetime import timedelta
from typing import Any

import pytest
from kernel import clock, outbox

from orchestration import calling, calls, runs
from orchestration.models import Step, ToolCall, WorkflowRun
from registry.models import Agent, Team, User
from tests import factories
from tests.orchestration.runs import stories

pytestmark = [pytest.mark.django_db(transaction=True)]

SOURCE = """
name: compute
version: "1.0"
input: {type: object, properties: {n: {type: integer}}}
steps:
  - name: double
    tool: execute_python
    as: worker
    arguments: {code: "print(${ input.n } * 2)"}
    retry: {attempts: 2, backoff: 0}
  - name: again
    tool: execute_python
    as: worker
    arguments: {code: "print('${ steps.double.status }')"}
output: {first: "${ steps.double.output }", second: "${ steps.again.output }"}
"""


def begin(team: Team, alice: User, **options: Any) -> WorkflowRun:
    workflow = stories.install(SOURCE, team)
    return runs.start(workflow, input={"n": 21}, project=None, by=alice.actor, **options)


@pytest.fixture
def granted(agent: Agent) -> Agent:
    factories.make_tool(permissions=("code_execution",))
    factories.grant(agent, "code_execution")
    return agent


def test_the_calls_results_are_the_steps_outputs(granted: Agent, team: Team, alice: User) -> None:
    run = begin(team, alice)
    outbox.drain()
    assert stories.status(run) == "succeeded", run.reason
    assert "42" in str(run.output["first"])
    calls = ToolCall.objects.filter(run_id=run.id).order_by("id")
    steps = list(Step.objects.filter(run=run).values_list("id", flat=True))
    assert [call.step_id for call in calls] == steps
    assert runs.verify(run.id) == []


def test_a_refused_call_fails_the_step_with_the_reason(
    agent: Agent, team: Team, alice: User
) -> None:
    factories.make_tool(permissions=("code_execution",))
    run = begin(team, alice)
    outbox.drain()
    assert stories.status(run) == "failed"
    error = Step.objects.get(run=run, name="double").error
    assert error["reason"] == "permission_missing"


def test_a_worker_that_died_before_its_call_is_replaced(
    granted: Agent, team: Team, alice: User
) -> None:
    run = begin(team, alice)
    runs.advance(run.id)
    step = Step.objects.get(run=run, name="double")
    late = calling.claim(step.id)
    assert late is not None
    with clock.shifted(timedelta(minutes=5)):
        runs.recover()
        outbox.drain()
        assert stories.status(run) == "succeeded", run.reason
        # It wasn't dead, only slow: its call is the one that was made already.
        calling.make(late)
    assert ToolCall.objects.filter(step_id=step.id).count() == 1
    assert stories.events(run).count("stale_result") == 1
    assert runs.verify(run.id) == []


def test_a_worker_that_died_after_its_call_isnt_repeated(
    granted: Agent, team: Team, alice: User
) -> None:
    run = begin(team, alice)
    runs.advance(run.id)
    order = calling.claim(Step.objects.get(run=run, name="double").id)
    assert order is not None
    calls.invoke(order.request)
    with clock.shifted(timedelta(minutes=5)):
        runs.recover()
        outbox.drain()
    assert stories.status(run) == "succeeded", run.reason
    assert ToolCall.objects.filter(step_id=order.step.id).count() == 1


def test_delivered_thrice_the_call_is_made_once(granted: Agent, team: Team, alice: User) -> None:
    run = begin(team, alice)
    runs.advance(run.id)
    step = Step.objects.get(run=run, name="double")
    for _ in range(3):
        runs.perform(step.id)
    assert ToolCall.objects.filter(step_id=step.id).count() == 1
    assert stories.status(run) == "succeeded", run.reason


def test_a_failed_call_of_a_tool_that_isnt_harmless_isnt_repeated(
    granted: Agent, team: Team, alice: User
) -> None:
    broken = SOURCE.replace("print(${ input.n } * 2)", "raise SystemExit(${ input.n })")
    workflow = stories.install(broken, team)
    run = runs.start(workflow, input={"n": 3}, project=None, by=alice.actor)
    outbox.drain()
    assert stories.status(run) == "failed"
    assert ToolCall.objects.filter(run_id=run.id).count() == 1


def test_a_suspended_worker_fails_the_step(granted: Agent, team: Team, alice: User) -> None:
    granted.is_active = False
    granted.save()
    run = begin(team, alice)
    outbox.drain()
    assert stories.status(run) == "failed"
    assert "suspended" in run.reason
