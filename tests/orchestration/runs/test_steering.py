"""What people do to a run: go step by step, cancel, resume, fork; and gates nobody answers."""

from datetime import timedelta

import pytest
from kernel import clock, outbox
from kernel.problems import Conflict

from governance import approvals
from governance.models import Approval
from orchestration import runs, tasks
from orchestration.models import AgentTask, Step, Workflow
from registry.models import Team, User
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = pytest.mark.django_db


def test_step_by_step_pauses_after_each_step(start: Start, alice: User, rita: User) -> None:
    run = start(step_by_step=True)
    stories.do("writer", {"text": "a draft"})
    assert stories.status(run) == "paused"
    assert "Next: check" in run.reason
    assert not AgentTask.objects.filter(agent_name="checker").exists()
    runs.resume(run.id, by=alice.actor)
    outbox.drain()
    stories.do("checker", {"passed": 3})
    assert (stories.status(run), stories.statuses(run)["review"]) == ("paused", "paused")
    runs.resume(run.id, by=alice.actor)
    outbox.drain()
    stories.vote(run, rita, "approve")
    assert stories.status(run) == "paused"
    runs.resume(run.id, by=alice.actor)
    outbox.drain()
    stories.do("publisher", {"place": "/"})
    assert stories.status(run) == "succeeded"
    assert runs.verify(run.id) == []


def test_cancelling_stops_the_agent_and_refuses_its_result(start: Start, alice: User) -> None:
    run = start()
    claimed = stories.claim("writer")
    runs.cancel(run.id, by=alice.actor, reason="wrong topic")
    outbox.drain()
    assert stories.status(run) == "cancelled"
    assert run.reason == "cancelled by alice: wrong topic"
    assert tasks.heartbeat(claimed.task.id, claimed.token).cancelled
    with pytest.raises(tasks.StaleToken):
        tasks.complete(claimed.task.id, claimed.token, {"text": "a draft"})
    assert set(stories.statuses(run).values()) == {"cancelled"}
    assert runs.verify(run.id) == []


def test_cancelling_withdraws_the_question(start: Start, alice: User) -> None:
    run = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    asked = stories.question(run)
    runs.cancel(run.id, by=alice.actor, reason="")
    outbox.drain()
    assert Approval.objects.get(id=asked.id).status == "cancelled"
    assert stories.status(run) == "cancelled"


def test_cancelling_twice_is_one_and_an_ended_run_stays_as_it_ended(
    start: Start, alice: User
) -> None:
    run = start()
    runs.cancel(run.id, by=alice.actor, reason="")
    runs.cancel(run.id, by=alice.actor, reason="again")
    assert stories.events(run).count("run.finished") == 1
    with pytest.raises(Conflict):
        runs.resume(run.id, by=alice.actor)


def test_a_fork_keeps_what_came_before_and_does_the_rest_anew(
    start: Start, alice: User, rita: User
) -> None:
    run = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    stories.vote(run, rita, "reject", "no")
    fork = runs.fork(run.id, "check", by=alice.actor)
    outbox.drain()
    assert stories.statuses(fork)["write"] == "succeeded"
    assert AgentTask.objects.get(run=fork).input == {"text": {"text": "a draft"}}
    stories.do("checker", {"passed": 4})
    stories.vote(fork, rita, "approve")
    stories.do("publisher", {"place": "/fork"})
    assert stories.status(fork) == "succeeded"
    assert stories.status(run) == "rejected"
    assert fork.forked_from == run.id
    assert runs.verify(fork.id) == []


def test_a_fork_needs_what_comes_before_it(start: Start, alice: User) -> None:
    run = start()
    with pytest.raises(Conflict, match="write is ready"):
        runs.fork(run.id, "check", by=alice.actor)


def test_a_gate_that_nobody_answers_pauses_and_is_asked_again(
    team: Team, start: Start, alice: User, rita: User
) -> None:
    urgent = stories.install(
        stories.SOURCE.replace(
            "      show: {text", "      deadline: 1h\n      show: {text"
        ).replace('"1.0"', '"1.1"'),
        team,
    )
    run = start(workflow=urgent)
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    with clock.shifted(timedelta(hours=2)):
        approvals.expire_due()
        outbox.drain()
        assert stories.status(run) == "paused"
        assert "nobody decided" in run.reason
        runs.resume(run.id, by=alice.actor)
        runs.recover()
        outbox.drain()
        assert stories.status(run) == "waiting"
        stories.vote(run, rita, "approve")
        stories.do("publisher", {"place": "/"})
    assert stories.status(run) == "succeeded"
    assert runs.verify(run.id) == []


def test_a_run_stays_on_the_version_it_began_with(team: Team, start: Start, rita: User) -> None:
    run = start()
    stories.install(
        stories.SOURCE.replace('"1.0"', '"2.0"').replace("agent: checker", "agent: publisher"), team
    )
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    assert stories.status(run) == "waiting"
    newer = start(workflow=Workflow.objects.get(name="refactor"))
    assert newer.workflow_version.version == "2.0"


def test_parallel_steps_both_run_and_the_next_waits_for_both(team: Team, start: Start) -> None:
    wide = stories.install(
        """
name: wide
version: "1.0"
steps:
  - {name: one, agent: writer, task: one}
  - {name: two, agent: checker, task: two, needs: []}
  - {name: three, agent: publisher, task: three, needs: [one, two]}
""",
        team,
    )
    run = start(workflow=wide, input={})
    assert stories.statuses(run) == {"one": "ready", "two": "ready", "three": "pending"}
    stories.do("checker", 2)
    assert stories.statuses(run)["three"] == "pending"
    stories.do("writer", 1)
    stories.do("publisher", 3)
    assert stories.status(run) == "succeeded"
    assert [step.output for step in Step.objects.filter(run=run)] == [1, 2, 3]
    assert runs.verify(run.id) == []


def test_a_skipped_step_is_no_obstacle(team: Team, start: Start) -> None:
    short = stories.install(
        """
name: short
version: "1.0"
input: {type: object, properties: {deep: {type: boolean, default: false}}}
steps:
  - {name: one, agent: writer, task: one, when: input.deep}
  - {name: two, agent: checker, task: two, input: {one: "${ steps.one.output }"}}
""",
        team,
    )
    run = start(workflow=short, input={})
    assert stories.statuses(run) == {"one": "skipped", "two": "ready"}
    assert AgentTask.objects.get(run=run).input == {"one": None}
