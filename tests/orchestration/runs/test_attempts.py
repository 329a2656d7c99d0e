"""Failure, retries, lost agents, deadlines, and what a late result does."""

from datetime import timedelta

import pytest
from kernel import clock, outbox
from kernel.problems import Invalid

from orchestration import commands, runs, tasks
from orchestration.models import AgentTask, RunEvent, Step
from orchestration.tasks import StaleToken
from registry.models import Team, User
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = pytest.mark.django_db
ERROR = {"reason": "odd", "message": "it broke"}


def later(**by: float) -> None:
    """Recover and deliver as if that much time had passed."""
    with clock.shifted(timedelta(**by)):
        tasks.recover()
        runs.recover()
        outbox.drain()


def test_a_failed_attempt_is_tried_again_until_the_attempts_are_used_up(start: Start) -> None:
    run = start()
    for attempt in (1, 2, 3):
        claimed = stories.claim("writer")
        assert claimed.task.step is not None
        assert claimed.task.step.attempt == attempt
        tasks.fail(claimed.task.id, claimed.token, ERROR, retryable=True)
        outbox.drain()
    assert stories.status(run) == "failed"
    assert run.reason == "write: it broke (3 attempts)"
    assert runs.verify(run.id) == []


def test_an_error_that_no_retry_mends_ends_the_run_at_once(start: Start) -> None:
    run = start()
    claimed = stories.claim("writer")
    error = {"reason": "nothing_to_move", "message": "Nothing can be moved."}
    tasks.fail(claimed.task.id, claimed.token, error, retryable=False)
    outbox.drain()
    assert stories.status(run) == "failed"
    assert run.reason == "write: Nothing can be moved."
    assert stories.statuses(run) == {
        "write": "failed",
        "check": "skipped",
        "review": "skipped",
        "publish": "skipped",
    }


def test_a_retry_waits_for_its_time(team: Team, start: Start) -> None:
    slow = stories.install(
        stories.SOURCE.replace("backoff: 0", "backoff: 60").replace('"1.0"', '"1.1"'), team
    )
    run = start(workflow=slow)
    claimed = stories.claim("writer")
    tasks.fail(claimed.task.id, claimed.token, ERROR, retryable=True)
    outbox.drain()
    assert stories.statuses(run)["write"] == "pending"
    later(seconds=59)
    assert stories.statuses(run)["write"] == "pending"
    later(seconds=61)
    assert stories.statuses(run)["write"] == "ready"


def test_a_lost_agent_is_replaced_and_its_late_result_refused(start: Start) -> None:
    run = start()
    gone = stories.claim("writer", lease=timedelta(seconds=5))
    later(seconds=6)
    again = stories.claim("writer")
    assert again.task.id != gone.task.id
    with pytest.raises(StaleToken):
        tasks.complete(gone.task.id, gone.token, {"text": "too late"})
    with pytest.raises(StaleToken):
        tasks.complete(gone.task.id, gone.token, {"text": "too late"})
    tasks.complete(again.task.id, again.token, {"text": "in time"})
    outbox.drain()
    assert Step.objects.get(run=run, name="write").output == {"text": "in time"}
    assert stories.events(run).count("stale_result") == 1
    assert runs.verify(run.id) == []


def test_a_heartbeat_keeps_the_task(start: Start) -> None:
    start()
    claimed = stories.claim("writer", lease=timedelta(seconds=5))
    with clock.shifted(timedelta(seconds=4)):
        beat = tasks.heartbeat(claimed.task.id, claimed.token, {"doing": "x"}, timedelta(seconds=5))
    assert not beat.cancelled
    later(seconds=6)
    tasks.complete(claimed.task.id, claimed.token, {"text": "a draft"})


def test_agents_that_get_lost_every_time_leave_the_run_to_a_person(
    start: Start, alice: User
) -> None:
    run = start()
    for round in (1, 2, 3):
        stories.claim("writer", lease=timedelta(seconds=1))
        later(seconds=2 * round)
    assert stories.status(run) == "paused"
    assert "writer stopped answering" in run.reason
    runs.resume(run.id, by=alice.actor)
    outbox.drain()
    stories.do("writer", {"text": "a draft"})
    assert stories.statuses(run)["write"] == "succeeded"
    assert runs.verify(run.id) == []


def test_a_step_past_its_deadline_is_taken_away_and_tried_again(team: Team, start: Start) -> None:
    limited = stories.install(
        stories.SOURCE.replace("    output: text\n", "    output: text\n    timeout: 1m\n").replace(
            '"1.0"', '"1.1"'
        ),
        team,
    )
    run = start(workflow=limited)
    slow = stories.claim("writer", lease=timedelta(minutes=10))
    later(seconds=61)
    with pytest.raises(StaleToken):
        tasks.complete(slow.task.id, slow.token, {"text": "late"})
    stories.do("writer", {"text": "in time"})
    assert Step.objects.get(run=run, name="write").attempt == 2
    assert runs.verify(run.id) == []


def test_the_same_result_twice_is_accepted_once(start: Start) -> None:
    run = start()
    claimed = stories.claim("writer")
    for _ in range(3):
        tasks.complete(claimed.task.id, claimed.token, {"text": "a draft"})
        outbox.drain()
    with pytest.raises(StaleToken):
        tasks.complete(claimed.task.id, claimed.token, {"text": "another"})
    assert stories.events(run).count("step.succeeded") == 1


def test_one_task_is_claimed_by_one(start: Start) -> None:
    start()
    stories.claim("writer")
    with pytest.raises(AssertionError, match="no task is queued"):
        stories.claim("writer")


def test_a_failed_step_that_may_is_passed_over(team: Team, start: Start) -> None:
    lenient = stories.install(
        stories.SOURCE.replace(
            "    retry: {attempts: 2, backoff: 0}\n  - name: review",
            "    retry: {attempts: 1}\n    on_failure: continue\n  - name: review",
        ).replace('"1.0"', '"1.1"'),
        team,
    )
    run = start(workflow=lenient)
    stories.do("writer", {"text": "a draft"})
    claimed = stories.claim("checker")
    tasks.fail(claimed.task.id, claimed.token, ERROR, retryable=True)
    outbox.drain()
    assert stories.statuses(run)["check"] == "failed"
    assert stories.status(run) == "waiting"
    assert runs.verify(run.id) == []


def test_a_suspended_agent_fails_the_step_with_what_to_do(start: Start, agents: dict) -> None:  # type: ignore[type-arg]
    agents["writer"].is_active = False
    agents["writer"].save()
    run = start()
    assert stories.status(run) == "failed"
    assert "writer is suspended" in run.reason


def test_an_output_without_what_the_next_step_reads_fails_by_name(team: Team, start: Start) -> None:
    picky = stories.install(
        stories.SOURCE.replace(
            'input: {text: "${ steps.write.output }"}\n    retry: {attempts: 2, backoff: 0}\n'
            "  - name: review",
            'input: {text: "${ steps.write.output.body }"}\n    retry: {attempts: 2, backoff: 0}\n'
            "  - name: review",
        ).replace('"1.0"', '"1.1"'),
        team,
    )
    run = start(workflow=picky)
    stories.do("writer", {"text": "a draft"})
    assert stories.status(run) == "failed"
    assert run.reason.startswith("check: /text: `steps.write.output.body` failed")


def test_the_history_tells_of_every_attempt(start: Start) -> None:
    run = start()
    claimed = stories.claim("writer")
    tasks.event(claimed.task.id, claimed.token, {"said": "hello"})
    tasks.fail(claimed.task.id, claimed.token, ERROR, retryable=True)
    outbox.drain()
    stories.do("writer", {"text": "a draft"})
    assert stories.events(run)[:11] == [
        "run.started",
        "step.started",
        "task.queued",
        "run.running",
        "step.claimed",
        "task.event",
        "step.retrying",
        "step.started",
        "task.queued",
        "step.claimed",
        "step.succeeded",
    ]
    assert AgentTask.objects.filter(run=run, agent_name="writer").count() == 2
    assert list(RunEvent.objects.filter(run=run).values_list("seq", flat=True)) == list(
        range(1, RunEvent.objects.filter(run=run).count() + 1)
    )


def test_a_run_that_the_engine_cant_move_waits_for_a_person(
    start: Start, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    claimed = stories.claim("writer")
    tasks.complete(claimed.task.id, claimed.token, {"text": "a draft"})
    with monkeypatch.context() as patched:
        patched.setattr(commands, "next_commands", broken)
        outbox.drain()
    assert stories.status(run) == "paused"
    assert "a fault of ours" in run.reason
    runs.resume(run.id, by=alice.actor)
    outbox.drain()
    assert stories.statuses(run)["check"] == "ready"
    assert runs.verify(run.id) == []


@pytest.mark.parametrize("output", ["a\x00b", {"a": ["\ud800"]}, float("nan"), {"b\x00": 1}])
def test_a_result_that_no_database_holds_is_refused_with_its_place(
    start: Start, output: object
) -> None:
    run = start()
    claimed = stories.claim("writer")
    with pytest.raises(Invalid) as refused:
        tasks.complete(claimed.task.id, claimed.token, output)
    assert refused.value.errors[0].pointer.startswith("/output")
    assert stories.statuses(run)["write"] == "running"
