"""Folding: the hourly buckets say what a GROUP BY over the raw rows would."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel import clock

from observability import rollups
from observability.models import AgentHour, DirtyHour, Fold, TeamHour, ToolHour
from orchestration.models import AgentTask, ToolCall
from registry.models import Agent, Team, Tool, User
from tests import factories
from tests.observability import rows
from tests.pages import scenes

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

NOON = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def tool(db: None) -> Tool:
    return factories.make_tool("execute_python")


def _agents() -> list[tuple[Any, ...]]:
    columns = ("hour", "agent_name", "tasks_succeeded", "tasks_failed", "calls", "cost_micros")
    return list(AgentHour.objects.order_by("hour", "agent_name").values_list(*columns))


def test_an_hour_counts_what_ended_in_it(agent: Agent, tool: Tool) -> None:
    AgentTask.objects.bulk_create(
        [
            rows.task(agent, NOON),
            rows.task(agent, NOON, "failed"),
            rows.task(agent, NOON, "lost"),
            rows.task(agent, NOON, "cancelled"),
            rows.task(agent, None, "claimed"),
        ]
    )
    ToolCall.objects.bulk_create(
        [
            rows.call(agent, tool, NOON),
            rows.call(agent, tool, NOON, "timed_out"),
            rows.call(agent, tool, NOON, "refused"),
            rows.call(agent, tool, None, "running"),
        ]
    )
    rows.spent(agent, agent.team_id, 30_000, NOON, tool.name).save()
    with clock.frozen(NOON):
        rollups.fold()
    hour = NOON.replace(minute=0)
    assert _agents() == [(hour, "worker", 1, 2, 2, 30_000)]
    bucket = ToolHour.objects.get()
    assert (bucket.calls, bucket.failed, bucket.refused, bucket.cost_micros) == (2, 1, 1, 30_000)


def test_folding_twice_is_folding_once(agent: Agent, tool: Tool) -> None:
    AgentTask.objects.bulk_create([rows.task(agent, NOON)])
    with clock.frozen(NOON):
        rollups.fold()
        once = _agents()
        rollups.fold()
    assert _agents() == once
    assert AgentHour.objects.count() == 1


def test_a_row_that_vanishes_takes_its_bucket_along(agent: Agent) -> None:
    AgentTask.objects.bulk_create([rows.task(agent, NOON)])
    with clock.frozen(NOON):
        rollups.fold()
        AgentTask.objects.all().delete()
        rollups.fold()
    assert not AgentHour.objects.exists()


def test_the_previous_hour_is_folded_again(agent: Agent) -> None:
    with clock.frozen(NOON):
        rollups.fold()
    AgentTask.objects.bulk_create([rows.task(agent, NOON)])
    with clock.frozen(NOON + HOUR):
        rollups.fold()
    assert len(_agents()) == 1


def test_hours_while_nobody_folded_are_caught_up(agent: Agent) -> None:
    with clock.frozen(NOON):
        rollups.fold()
    AgentTask.objects.bulk_create([rows.task(agent, NOON + HOUR * n) for n in range(30)])
    with clock.frozen(NOON + HOUR * 30):
        rollups.fold()
    assert len(_agents()) == 30


def test_the_first_fold_begins_with_the_oldest_row(agent: Agent) -> None:
    rows.spent(agent, agent.team_id, 5, NOON - timedelta(days=9)).save()
    with clock.frozen(NOON):
        rollups.fold()
    assert [row[-1] for row in _agents()] == [5]


def test_a_long_backlog_is_folded_batch_by_batch(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "BATCH", 10)
    AgentTask.objects.bulk_create([rows.task(agent, NOON - HOUR * n) for n in range(35)])
    with clock.frozen(NOON):
        for _ in range(5):
            rollups.fold()
    assert len(_agents()) == 35


def test_a_late_row_in_a_marked_hour_is_folded(agent: Agent) -> None:
    with clock.frozen(NOON):
        rollups.fold()
    late = NOON - timedelta(days=40)
    AgentTask.objects.bulk_create([rows.task(agent, late)])
    with clock.frozen(NOON):
        rollups.mark(late)
        rollups.fold()
    assert _agents()[0][0] == late.replace(minute=0)
    assert not DirtyHour.objects.exists()


def test_a_late_row_that_nobody_marked_is_found_on_patrol(agent: Agent) -> None:
    with clock.frozen(NOON):
        rollups.fold()
        AgentTask.objects.bulk_create([rows.task(agent, NOON - timedelta(days=13))])
        for _ in range(30):
            rollups.fold()
    assert len(_agents()) == 1


def test_the_patrol_turns_back_at_the_end(agent: Agent) -> None:
    with clock.frozen(NOON):
        rollups.fold()
        Fold.objects.update(patrol=NOON.replace(minute=0) - 2 * HOUR)
        rollups.fold()
    assert Fold.objects.get().patrol == NOON.replace(minute=0) - rollups.PATROL


def test_spending_without_an_agent_stays_in_the_sum(team: Team) -> None:
    rows.spent(None, team.id, 7, NOON).save()
    with clock.frozen(NOON):
        rollups.fold()
    assert AgentHour.objects.get().cost_micros == 7


def test_minutes_of_a_task_within_a_run_with_a_baseline_count_once(
    agent: Agent, team: Team, alice: User
) -> None:
    run = scenes.make_run(team, alice.actor, status="succeeded", finished_at=NOON)
    bare = scenes.make_run(
        team, alice.actor, status="succeeded", finished_at=NOON, baseline_minutes=0
    )
    AgentTask.objects.bulk_create(
        [
            rows.task(agent, NOON, baseline_minutes=10),
            rows.task(agent, NOON, "failed", baseline_minutes=10),
            rows.task(agent, NOON, baseline_minutes=10, run=run),
            rows.task(agent, NOON, baseline_minutes=10, run=bare),
        ]
    )
    with clock.frozen(NOON):
        rollups.fold()
    assert AgentHour.objects.get().minutes_saved == 20
    assert TeamHour.objects.get().run_minutes == 120


def test_a_review_costs_its_wait_and_at_most_fifteen_minutes(team: Team, rita: User) -> None:
    rows.review(team.id, rita, NOON - timedelta(minutes=4), NOON)
    rows.review(team.id, rita, NOON - timedelta(days=2), NOON)
    with clock.frozen(NOON):
        rollups.fold()
    bucket = TeamHour.objects.get()
    assert (bucket.reviews, bucket.review_minutes) == (2, 19)


_HAPPENING = st.tuples(
    st.sampled_from(["task", "call", "spent"]),
    st.integers(min_value=0, max_value=1),
    st.integers(min_value=0, max_value=5 * 60 - 1),
    st.sampled_from(["succeeded", "failed", "timed_out", "lost", "refused", "cancelled"]),
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(st.lists(_HAPPENING, max_size=12), min_size=1, max_size=4))
def test_buckets_equal_a_group_by_over_the_raw_rows(
    batches: list[list[tuple[str, int, int, str]]], agent: Agent, other_agent: Agent, tool: Tool
) -> None:
    """However rows arrive, late ones in marked hours too."""
    with transaction.atomic():
        _check(batches, (agent, other_agent), tool)
        transaction.set_rollback(True)


def _check(
    batches: list[list[tuple[str, int, int, str]]], agents: tuple[Agent, Agent], tool: Tool
) -> None:
    start = NOON.replace(minute=0)
    expected_tasks: Counter[Any] = Counter()
    expected_calls: Counter[Any] = Counter()
    expected_cost: Counter[Any] = Counter()
    for number, batch in enumerate(batches):
        for kind, which, minute, status in batch:
            who, at = agents[which], start + timedelta(minutes=minute)
            key = (at.replace(minute=0), who.id)
            if kind == "task" and status in ("succeeded", "failed", "lost", "cancelled"):
                rows.task(who, at, status).save()
                expected_tasks[(*key, status)] += 1
            elif kind == "call":
                rows.call(who, tool, at, status).save()
                expected_calls[(*key, status)] += 1
            elif kind == "spent":
                rows.spent(who, who.team_id, minute + 1, at, tool.name).save()
                expected_cost[key] += minute + 1
            rollups.mark(at)
        with clock.frozen(start + HOUR * (number + 1)):
            rollups.fold()
    with clock.frozen(start + HOUR * 6):
        rollups.fold()
    for hour in (start + HOUR * n for n in range(5)):
        for who in agents:
            found = AgentHour.objects.filter(hour=hour, agent_id=who.id).first() or AgentHour()
            assert found.tasks_succeeded == expected_tasks[(hour, who.id, "succeeded")]
            assert found.tasks_failed == sum(
                expected_tasks[(hour, who.id, status)] for status in ("failed", "lost")
            )
            broken = ("failed", "timed_out", "lost")
            executed = sum(expected_calls[(hour, who.id, s)] for s in ("succeeded", *broken))
            assert found.calls == executed
            assert found.cost_micros == expected_cost[(hour, who.id)]
            kept = ToolHour.objects.filter(hour=hour, team_id=who.team_id).first() or ToolHour()
            assert kept.failed == sum(expected_calls[(hour, who.id, s)] for s in broken)
            assert kept.refused == expected_calls[(hour, who.id, "refused")]
            assert kept.cost_micros == expected_cost[(hour, who.id)]
