"""The dashboard's figures: the article's own numbers from rows, who sees which, what it costs."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from kernel import clock

from observability import dashboard, rollups, tiles
from observability.models import AgentHour
from orchestration.models import AgentTask, ToolCall
from registry.models import Agent, Team, User
from tests import factories
from tests.observability import rows

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

NOW = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)
MORNING = NOW.replace(hour=9, minute=5)
DAY = timedelta(days=1)
CALLS = {"execute_python": 32, "read_file": 28, "call_api": 18, "write_file": 12, "run_tests": 10}


def _article(team: Team) -> None:
    """Happenings that add up to the article's dashboard."""
    agents = [factories.make_agent(f"agent_{n}", team, baseline_minutes=2) for n in range(23)]
    ended = [rows.task(agents[n % 23], MORNING, baseline_minutes=2) for n in range(1_247)]
    ended += [rows.task(agents[n], MORNING, "failed") for n in range(3)]
    running = [rows.task(agents[n], None, "claimed", lease_until=NOW + DAY) for n in range(5)]
    AgentTask.objects.bulk_create(ended + running)
    found = {name: factories.make_tool(name) for name in CALLS}
    ToolCall.objects.bulk_create(
        rows.call(agents[n % 23], found[name], MORNING)
        for name, count in CALLS.items()
        for n in range(count)
    )
    for agent in agents:
        rows.spent(agent, team.id, 470_000, MORNING).save()
    # 23 times 0.47 is this week's cost, so that the week before has to be 112 parts less.
    rows.spent(agents[0], team.id, round(23 * 470_000 / 1.12), NOW - 9 * DAY).save()


def _told(user: User) -> dict[str, str]:
    """Each tile's name and what it says."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    text = client.get("/").content.decode()
    return {
        name: f"{value} {note}"
        for name, value, note in re.findall(
            r'tile__name">(.*?)</span>\s*<span class="tile__value">(.*?)</span>\s*'
            r'<span class="tile__note.*?">(.*?)</span>',
            text,
        )
    }


def test_the_articles_dashboard_reads_as_in_the_article(team: Team, root: User) -> None:
    with clock.frozen(NOW):
        _article(team)
        rollups.fold()
        told = _told(root)
        found = dashboard.figures(root.actor, NOW)
    assert told["Total agents"].startswith("23 ")
    assert told["Agents running now"].startswith("5 ")
    assert told["Agents succeeded today"].startswith("1,247 ")
    assert told["Agents failed today"] == "3 0.24% failure rate"
    assert told["Average cost per agent"].startswith("$0.47 ")
    assert told["Cost trend"] == "+12% week-over-week (needs investigation)"
    assert told["Minutes saved"].startswith("2,494 ")
    assert [(share.tool, share.percent) for share in found.top_tools[:3]] == [
        ("execute_python", 32),
        ("read_file", 28),
        ("call_api", 18),
    ]


def test_a_calm_trend_needs_no_investigation(agent: Agent, root: User) -> None:
    rows.spent(agent, agent.team_id, 104, NOW - DAY).save()
    rows.spent(agent, agent.team_id, 100, NOW - 8 * DAY).save()
    with clock.frozen(NOW):
        rollups.fold()
        assert _told(root)["Cost trend"] == "+4% week-over-week"


def test_an_empty_house_is_told_without_numbers_that_nobody_has(root: User) -> None:
    with clock.frozen(NOW):
        told = _told(root)
    assert told["Total agents"].startswith("0 ")
    assert told["Agents failed today"] == "0 no task has ended yet"
    assert told["Average cost per agent"].endswith("nobody worked today")
    assert told["Cost trend"].endswith("no week before to compare with")


def test_yesterday_isnt_today(agent: Agent, root: User) -> None:
    AgentTask.objects.bulk_create([rows.task(agent, NOW - DAY)])
    with clock.frozen(NOW):
        rollups.fold()
        found = dashboard.figures(root.actor, NOW)
    assert found.succeeded_today == 0
    assert found.days[-2].succeeded == 1


@pytest.mark.parametrize(
    ("who", "sees"), [("root", 2), ("audra", 2), ("alice", 1), ("bob", 1), ("charlie", 1)]
)
def test_each_sees_the_figures_of_their_own_teams(
    agent: Agent, other_agent: Agent, who: str, sees: int, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(who)
    AgentTask.objects.bulk_create([rows.task(agent, MORNING), rows.task(other_agent, MORNING)])
    with clock.frozen(NOW):
        rollups.fold()
        found = dashboard.figures(user.actor, NOW)
    assert (found.total_agents, found.succeeded_today, len(found.teams)) == (sees, sees, sees)


def test_charlies_home_doesnt_name_alices_team(
    agent: Agent, other_agent: Agent, charlie: User
) -> None:
    AgentTask.objects.bulk_create([rows.task(agent, MORNING), rows.task(other_agent, MORNING)])
    client = Client()
    client.force_login(charlie, backend="django.contrib.auth.backends.ModelBackend")
    with clock.frozen(NOW):
        rollups.fold()
        text = client.get("/").content.decode()
    assert "billing" in text
    assert "search" not in text


def test_a_reviewers_home_is_the_inbox_without_figures(rita: User) -> None:
    client = Client()
    client.force_login(rita, backend="django.contrib.auth.backends.ModelBackend")
    text = client.get("/").content.decode()
    assert "Nothing waits for you" in text
    assert "Total agents" not in text


def test_nobody_is_sent_to_sign_in(db: None) -> None:
    answer = Client().get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/")


LIVE = ("task_claimed", "call_live", "run_live")
RAW = (
    "orchestration_toolcall",
    "orchestration_agenttask",
    "orchestration_workflowrun",
    "governance_ledgerentry",
    "governance_approval",
)


@pytest.mark.parametrize("who", ["root", "alice"])
def test_the_dashboard_never_reads_finished_happenings(
    team: Team, who: str, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(who)
    with clock.frozen(NOW):
        _article(team)
        rows.ended_runs(team, 2_000)
        rollups.fold()
    rows.analyse()
    queries: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        dashboard.figures(user.actor, NOW)
    raw = [query for query in queries if any(f'FROM "{table}"' in query[0] for table in RAW)]
    for sql, params in raw:
        plan = _plan(sql, params)
        assert any(index in plan for index in LIVE), f"{sql}\n{plan}"
    assert len(raw) == 3


def _plan(sql: str, params: Any) -> str:
    """The plan of the query as it is sent, with parameters: literals can be planned otherwise."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        else:
            # A small table is cheapest read whole; what counts is whether the index can be used.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(str(row) for row in cursor.fetchall())


def test_the_queries_dont_grow_with_the_rows(
    team: Team, root: User, django_assert_max_num_queries: Any
) -> None:
    with clock.frozen(NOW):
        _article(team)
        rollups.fold()
    with django_assert_max_num_queries(16):
        dashboard.figures(root.actor, NOW)


def test_the_rollups_stay_small(team: Team) -> None:
    with clock.frozen(NOW):
        _article(team)
        rollups.fold()
    assert AgentHour.objects.count() == 24


def test_percentages_read_as_people_write_them() -> None:
    assert [tiles.percent(n) for n in (0, 12, 100)] == ["0%", "12%", "100%"]
    assert tiles.percent(dashboard.Decimal(300) / 1250) == "0.24%"
