"""Lists in the admin cost the same whatever the tables hold: nothing is scanned for its filters."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from kernel import clock
from kernel.admin import BoundedPaginator

from orchestration.models import ToolCall
from registry import reports
from registry.models import Agent, Secret, Team, Tool, ToolVersion, User
from tests import factories
from tests.observability import rows
from tests.registry.curating import make_own_tool

pytestmark = pytest.mark.django_db

Browse = Callable[[User | None], Client]
CALLS = "/admin/orchestration/toolcall/"


@pytest.mark.parametrize(
    "path",
    [CALLS, "/admin/orchestration/workflowrun/", "/admin/orchestration/agenttask/"],
)
def test_no_filter_looks_for_its_choices_in_the_list(browse: Browse, root: User, path: str) -> None:
    with CaptureQueriesContext(connection) as seen:
        assert browse(root).get(path).status_code == 200
    assert not [each["sql"] for each in seen if "DISTINCT" in each["sql"].upper()]


def test_calls_are_found_by_tool_by_agent_by_id_and_by_reason(
    browse: Browse, root: User, team: Team, agent: Agent
) -> None:
    lint, other = make_own_tool(team), make_own_tool(team, "other")
    refused = rows.call(agent, lint, clock.now(), "refused")
    refused.reason = "denied_by_policy"
    ToolCall.objects.bulk_create([refused, rows.call(agent, other, clock.now())])
    for asked, found in (
        ("q=lint", 1),
        (f"q={agent.name}", 2),
        (f"q={refused.id}", 1),
        ("q=nonesuch", 0),
        ("reason=denied_by_policy", 1),
        ("reason=budget_exhausted", 0),
        ("environment=staging", 2),
        ("environment=production", 0),
    ):
        listed = browse(root).get(f"{CALLS}?{asked}").context["cl"].result_list
        assert len(listed) == found, asked


def test_neither_a_filter_nor_a_menu_lists_every_tool(
    browse: Browse, root: User, team: Team
) -> None:
    make_own_tool(team, "unmistakable")
    Secret.objects.create(name="token", team=team)
    for path in ("toolversion/", "secretgrant/", "secretgrant/add/"):
        page = browse(root).get(f"/admin/registry/{path}")
        assert page.status_code == 200
        assert f'value="{Tool.objects.get().pk}"' not in page.content.decode()


def test_a_member_grants_own_secrets_to_own_tools_alone(
    browse: Browse, alice: User, team: Team, other_team: Team
) -> None:
    own, foreign = make_own_tool(team), factories.make_tool("foreign", team=other_team)
    token = Secret.objects.create(name="token", team=team)
    sent = {"secret": str(token.pk), "tool": str(foreign.pk), "reason": "It calls it."}
    add = "/admin/registry/secretgrant/add/"
    assert "adminform" in browse(alice).post(add, sent).context
    assert not token.grants.exists()
    assert browse(alice).post(add, sent | {"tool": str(own.pk)}).status_code == 302
    assert token.grants.get().tool == own


def test_a_count_that_stopped_says_so(
    browse: Browse, root: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedPaginator, "reach", 2)
    make_own_tool(team)
    page = "/admin/registry/toolversion/"
    assert "2+" not in browse(root).get(page).content.decode()
    make_own_tool(team, "other")
    assert ToolVersion.objects.count() == 2
    assert "2+ results" in browse(root).get(page).content.decode()


def test_the_bar_marks_one_place(browse: Browse, root: User, team: Team) -> None:
    reports.request_tool(title="A translator", text="For tickets.", by=root.actor)
    bar = browse(root).get("/tools/reports/").context["navigation"]
    assert [link.title for link in bar if link.active] == ["Reports (1)"]
    bar = browse(root).get("/tools/").context["navigation"]
    assert [link.title for link in bar if link.active] == ["Tools"]
