"""Two at once: one of them does it, the other changes nothing, and the history holds."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from kernel import outbox
from kernel.problems import Problem

from governance import approvals
from orchestration import gates, runs, tasks
from orchestration.models import AgentTask, Workflow, WorkflowRun
from registry.models import Agent, Team, User
from tests import factories
from tests.orchestration.runs import stories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def together(*acts: Callable[[], Any]) -> list[Any]:
    """All acts at the same moment, each in a thread; a problem is an answer too."""
    barrier = threading.Barrier(len(acts))
    answers: list[Any] = [None] * len(acts)

    def one(number: int) -> None:
        barrier.wait()
        try:
            answers[number] = acts[number]()
        except Problem as problem:
            answers[number] = problem
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


@pytest.fixture
def run(workflow: Workflow, alice: User) -> WorkflowRun:
    started = runs.start(workflow, input={"topic": "races"}, project=None, by=alice.actor)
    outbox.drain()
    return started


def to_the_gate(run: WorkflowRun) -> Any:
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    return stories.question(run)


def test_eight_claimants_get_one_task_once(run: WorkflowRun) -> None:
    agent = Agent.objects.get(name="writer")
    answers = together(*[lambda: tasks.claim([agent], by=agent.actor)] * 8)
    assert sum(answer is not None for answer in answers) == 1
    assert AgentTask.objects.get(run=run).attempt == 1
    assert runs.verify(run.id) == []


def test_eight_claimants_share_six_tasks(workflow: Workflow, alice: User) -> None:
    agent = Agent.objects.get(name="writer")
    for _ in range(6):
        tasks.queue(agent, task="t", input={}, by=alice.actor)
    answers = together(*[lambda: tasks.claim([agent], by=agent.actor)] * 8)
    got = [answer.task.id for answer in answers if answer is not None]
    assert len(got) == len(set(got)) == 6


def test_eight_sweepers_and_deliveries_advance_a_run_once(run: WorkflowRun) -> None:
    claimed = stories.claim("writer")
    tasks.complete(claimed.task.id, claimed.token, {"text": "a draft"})
    together(*[lambda: runs.advance(run.id), runs.recover, outbox.drain, tasks.recover] * 2)
    assert AgentTask.objects.filter(run=run, agent_name="checker").count() == 1
    assert stories.events(run).count("step.started") == 2
    assert runs.verify(run.id) == []


def test_approved_twice_counts_once(run: WorkflowRun, rita: User) -> None:
    approval = to_the_gate(run)
    second = factories.make_user("rob", role="reviewer")
    together(
        lambda: approvals.vote(approval.id, by=rita, decision="approve", comment=""),
        lambda: approvals.vote(approval.id, by=second, decision="approve", comment=""),
    )
    together(lambda: gates.closed(approval.id), lambda: gates.closed(approval.id))
    outbox.drain()
    assert stories.events(run).count("gate.closed") == 1
    assert AgentTask.objects.filter(run=run, agent_name="publisher").count() == 1
    assert runs.verify(run.id) == []


def test_approve_and_cancel_at_once_leave_one_truth(
    run: WorkflowRun, rita: User, alice: User
) -> None:
    approval = to_the_gate(run)
    together(
        lambda: approvals.vote(approval.id, by=rita, decision="approve", comment=""),
        lambda: runs.cancel(run.id, by=alice.actor, reason="no"),
    )
    outbox.drain()
    assert stories.status(run) == "cancelled"
    assert not AgentTask.objects.filter(run=run, agent_name="publisher", status="queued").exists()
    assert runs.verify(run.id) == []


def test_complete_and_cancel_at_once_leave_one_truth(
    run: WorkflowRun, alice: User, team: Team
) -> None:
    claimed = stories.claim("writer")
    together(
        lambda: tasks.complete(claimed.task.id, claimed.token, {"text": "a draft"}),
        lambda: runs.cancel(run.id, by=alice.actor, reason="no"),
    )
    outbox.drain()
    assert stories.status(run) == "cancelled"
    assert stories.events(run).count("run.finished") == 1
    assert runs.verify(run.id) == []


def test_two_completions_with_other_results_accept_one(run: WorkflowRun) -> None:
    claimed = stories.claim("writer")
    answers = together(
        lambda: tasks.complete(claimed.task.id, claimed.token, {"text": "one"}),
        lambda: tasks.complete(claimed.task.id, claimed.token, {"text": "two"}),
    )
    outbox.drain()
    refused = [answer for answer in answers if isinstance(answer, tasks.StaleToken)]
    assert len(refused) == 1
    assert stories.events(run).count("step.succeeded") == 1
