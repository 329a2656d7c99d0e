"""Who is hit: counted by day, asked before anybody clicks."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from kernel import clock

from observability import rollups
from observability.models import UsageDay
from orchestration import runs
from orchestration.models import ToolCall
from registry import bindings
from tests import factories
from tests.observability import rows
from tests.orchestration.runs import stories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
NOON = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)
SOURCE = """
name: nightly
version: "1.0"
steps:
  - name: compute
    tool: echo
    as: worker
    arguments: {code: "1"}
"""


@pytest.fixture
def tool(team):
    return factories.make_tool("echo", team=team)


@pytest.fixture
def used(tool, agent, other_agent):
    """Three calls of ours, one of them refused, one of theirs; and one too old to count."""
    calls = [
        rows.call(agent, tool, NOON),
        rows.call(agent, tool, NOON + timedelta(hours=3)),
        rows.call(agent, tool, NOON, "refused"),
        rows.call(other_agent, tool, NOON - DAY),
        rows.call(other_agent, tool, NOON - 40 * DAY),
    ]
    ToolCall.objects.bulk_create(calls)
    fold()
    return calls


def fold():
    with clock.frozen(NOON + DAY):
        for _ in range(3):
            rollups.fold()


def impact(api, who, query=""):
    with clock.frozen(NOON + DAY):
        return api(who).get(f"/api/v1/tools/echo/impact/{query}")


def counts(rows):
    return {row["name"]: (row["calls"], row["refused"]) for row in rows}


def test_agents_teams_and_versions_with_counts(api, alice, used):
    found = impact(api, alice).json()
    assert found["calls"] == 3
    assert counts(found["agents"]) == {"worker": (2, 1), "other_worker": (1, 0)}
    assert counts(found["teams"]) == {"search": (2, 1), "billing": (1, 0)}
    assert counts(found["versions"]) == {"1.0": (3, 1)}
    assert found["whole"] is True
    assert impact(api, alice, "?days=1").json()["calls"] == 2
    assert impact(api, alice, "?version=2.0").json()["calls"] == 0


def test_outsiders_see_the_part_of_their_own_team(api, charlie, other_key, used):
    for who in (charlie, other_key):
        found = impact(api, who).json()
        assert (found["whole"], found["calls"]) == (False, 1)
        assert counts(found["agents"]) == {"other_worker": (1, 0)}


def test_who_may_ask(api, tool, alice, bob, charlie, root, audra):
    for who in (alice, bob, root, audra):
        assert impact(api, who).json()["whole"] is True
    assert impact(api, None).status_code == 401
    tool.is_shared = False
    tool.save()
    assert impact(api, charlie).status_code == 404
    assert impact(api, alice, "?days=0").status_code == 422


def test_what_names_the_tool(api, alice, charlie, tool, agent, team):
    stories.install(SOURCE, team)
    bindings.point(tool, "stable", "1.0")
    bindings.pin(agent, tool, "1.x")
    factories.make_tool("old", team=team, replacement=tool)
    factories.make_tool("doer", team=team, compensation={"tool": "echo", "arguments": {}})
    named = {
        (row["kind"], row["name"]): row["how"] for row in impact(api, alice).json()["named_by"]
    }
    assert named == {
        ("workflow", "nightly 1.0"): "step compute calls it",
        ("pin", "worker"): "is bound to 1.x",
        ("alias", "stable"): "means 1.0",
        ("tool", "old"): "names it as its replacement",
        ("tool", "doer"): "is undone by it",
    }
    others = impact(api, charlie).json()["named_by"]
    assert "pin" not in {row["kind"] for row in others}


def test_calls_in_a_run_are_told_by_their_workflow(api, alice, tool, agent, team):
    workflow = stories.install(SOURCE, team)
    run = runs.start(workflow, input={}, project=None, by=alice.actor)
    call = rows.call(agent, tool, NOON)
    call.run_id = run.id
    call.save()
    fold()
    assert counts(impact(api, alice).json()["workflows"]) == {"nightly": (1, 0)}


def test_folding_again_counts_the_same(used, tool, agent):
    before = list(UsageDay.objects.order_by("day", "agent_name").values_list("calls", "refused"))
    fold()
    assert before == list(
        UsageDay.objects.order_by("day", "agent_name").values_list("calls", "refused")
    )
    late = rows.call(agent, tool, NOON)
    late.save()
    rollups.mark(NOON)
    fold()
    assert sum(UsageDay.objects.values_list("calls", flat=True)) == sum(n for n, _ in before) + 1


def test_the_page_reads_days_and_never_the_calls(api, alice, used):
    with CaptureQueriesContext(connection) as seen:
        impact(api, alice)
    assert not [q["sql"] for q in seen if "orchestration_toolcall" in q["sql"]]
    assert len(seen) < 60


def test_what_didnt_change_isnt_written_again(used, tool, agent):
    with CaptureQueriesContext(connection) as again:
        fold()
    writes = [q["sql"] for q in again if "observability_usage" in q["sql"].split("WHERE")[0]]
    assert not [sql for sql in writes if sql.startswith(("INSERT", "DELETE", "UPDATE"))]
    days = dict(UsageDay.objects.values_list("pk", "calls"))
    rows.call(agent, tool, NOON).save()
    rollups.mark(NOON)
    fold()
    after = dict(UsageDay.objects.values_list("pk", "calls"))
    assert after.keys() == days.keys()
    assert sum(after[pk] != days[pk] for pk in days) == 1


def test_use_that_is_taken_away_is_gone_from_its_day(used, other_agent):
    only = used[3]
    assert UsageDay.objects.filter(agent_id=other_agent.id, day=only.finished_at.date()).exists()
    ToolCall.objects.filter(pk=only.pk).update(finished_at=None)
    rollups.mark(only.finished_at)
    before = UsageDay.objects.count()
    fold()
    assert not UsageDay.objects.filter(
        agent_id=other_agent.id, day=only.finished_at.date()
    ).exists()
    assert UsageDay.objects.count() == before - 1
