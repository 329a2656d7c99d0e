"""From start to end: steps in order, data that flows, a gate, what an answer does."""

import pytest

from governance.models import AuditEvent
from orchestration.models import AgentTask, Step
from registry.models import User
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = pytest.mark.django_db


def test_an_approved_run_goes_through_its_four_steps(start: Start, rita: User) -> None:
    run = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    assert stories.status(run) == "waiting"
    stories.vote(run, rita, "approve", "fine")
    stories.do("publisher", {"place": "/drafts/1"})
    assert stories.status(run) == "succeeded"
    assert run.output == {"place": "/drafts/1"}
    assert set(stories.statuses(run).values()) == {"succeeded"}


def test_a_step_gets_what_the_steps_before_put_out(start: Start) -> None:
    run = start(input={"topic": "leases", "exclude": ["x"]})
    first = AgentTask.objects.get(run=run)
    assert first.task == "Write about leases"
    assert first.input == {"topic": "leases", "exclude": ["x"]}
    stories.do("writer", {"text": "a draft", "n": 7})
    second = AgentTask.objects.exclude(id=first.id).get(run=run)
    assert second.input == {"text": {"text": "a draft", "n": 7}}


def test_the_second_step_waits_for_the_first(start: Start) -> None:
    run = start()
    assert stories.statuses(run) == {
        "write": "ready",
        "check": "pending",
        "review": "pending",
        "publish": "pending",
    }
    assert AgentTask.objects.filter(run=run).count() == 1


def test_a_rejection_ends_the_run_without_the_merge(start: Start, rita: User) -> None:
    run = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    stories.vote(run, rita, "reject", "not this way")
    assert stories.status(run) == "rejected"
    assert "not this way" in run.reason
    assert stories.statuses(run)["publish"] == "skipped"
    assert not AgentTask.objects.filter(run=run, agent_name="publisher").exists()


def test_requested_changes_go_back_with_comment_and_fields(start: Start, rita: User) -> None:
    run = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    stories.vote(run, rita, "request_changes", "another module", exclude=["login"])
    claimed = stories.claim("writer")
    told = claimed.task.input["feedback"]
    assert told["comment"] == "another module"
    assert told["fields"] == {"exclude": ["login"]}
    assert told["by"] == "rita"
    assert claimed.task.input["topic"] == "gates"
    assert list(Step.objects.filter(run=run, name="write").values_list("iteration", "status")) == [
        (1, "succeeded"),
        (2, "running"),
    ]


def test_what_was_excluded_once_stays_excluded(start: Start, rita: User) -> None:
    run = start()
    for excluded in (["login"], ["tokens"]):
        stories.do("writer", {"text": "a draft"})
        stories.do("checker", {"passed": 3})
        stories.vote(run, rita, "request_changes", "again", exclude=excluded)
    told = stories.claim("writer").task.input["feedback"]
    assert told["fields"] == {"exclude": ["login", "tokens"]}


def test_changes_can_be_requested_only_as_often_as_the_gate_says(start: Start, rita: User) -> None:
    run = start()
    for _ in range(2):
        stories.do("writer", {"text": "a draft"})
        stories.do("checker", {"passed": 3})
        stories.vote(run, rita, "request_changes", "again")
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    assert not stories.question(run).allow_changes
    stories.vote(run, rita, "approve")
    stories.do("publisher", {"place": "/"})
    assert stories.status(run) == "succeeded"


def test_whoever_started_the_run_is_the_one_who_asks(start: Start, alice: User) -> None:
    run = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    asked = stories.question(run)
    assert (asked.requester_id, asked.requester_name) == (alice.id, "alice")
    assert asked.shown == {"text": {"text": "a draft"}, "checks": {"passed": 3}}


def test_the_whole_run_stands_in_the_audit_log(start: Start, rita: User) -> None:
    run = start()
    stories.do("writer", {"text": "a draft"})
    stories.do("checker", {"passed": 3})
    stories.vote(run, rita, "reject", "no")
    about_run = AuditEvent.objects.filter(target_id=str(run.id)).values_list("event", flat=True)
    assert list(about_run) == ["run.started", "run.finished"]
    tasks = AuditEvent.objects.filter(target_kind="agent_task").values_list("event", flat=True)
    assert sorted(tasks) == sorted(["task.queued", "task.claimed", "task.finished"] * 2)
