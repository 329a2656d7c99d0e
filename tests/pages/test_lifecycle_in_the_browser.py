"""A tool's lifecycle and its comparisons in a real browser, wide and narrow, light and dark."""

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from kernel import clock

from observability import rollups
from orchestration.models import ToolCall
from registry import bindings, publishing
from registry.models import Agent, Team, User
from tests import factories
from tests.observability import rows
from tests.pages.conftest import DESK, PHONE, Visit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[..., Visit]


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_the_pages_fit_and_the_way_out_is_asked_about(
    visit: Open, team: Team, alice: User, agent: Agent, root: User, width: int
) -> None:
    tool = factories.make_tool("run_tests", team=team)
    factories.make_tool("run_checks", team=team)
    tool.version, tool.cost_micros, tool.description = "2.0", 20_000, "Runs <b>all</b> tests."
    publishing.publish(tool, by="user:alice", notes="Twice as many tests.")
    bindings.point(tool, "stable", "1.0")
    bindings.pin(agent, tool, "1.x", reason="Its prompts know the old arguments.")
    tool.parameters = tool.parameters | {"required": ["code", "timeout"]}
    tool.save()
    at = clock.now() - timedelta(minutes=2)
    ToolCall.objects.bulk_create([rows.call(agent, tool, at) for _ in range(12)])
    rollups.fold()
    window = visit(width=width)
    window.sign_in("alice")
    for name, place in {
        "lifecycle": "/tools/run_tests/lifecycle/",
        "diff": "/tools/run_tests/diff/?from=1.0&to=2.0",
        "draft": "/tools/run_tests/diff/?to=draft",
    }.items():
        window.go(place)
        _shot(window, f"{name}-{width}")
    window.go("/tools/run_tests/lifecycle/")
    assert window.page.get_by_text("12 calls by 1 agent of 1 team").is_visible()
    window.page.fill("#sunset", "2020-01-01")
    window.page.click('button:has-text("Deprecate") >> nth=0')
    window.page.get_by_role("button", name="Yes, end the calls now").wait_for()
    _shot(window, f"asked-{width}")
    # The browser notes the status 409 as an error of its own.
    window.faults[:] = [fault for fault in window.faults if "409" not in fault]
    window.page.get_by_role("button", name="Yes, end the calls now").click()
    window.page.get_by_role("button", name="Remove from discovery").wait_for()
    _shot(window, f"sunset-{width}")
    assert window.faults == []


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_the_admin_tells_before_anybody_publishes(
    visit: Open, team: Team, root: User, agent: Agent, width: int
) -> None:
    tool = factories.make_tool("run_tests", team=team)
    bindings.pin(agent, tool, "1.x")
    tool.cost_micros = 90_000
    tool.save()
    window = visit(width=width)
    window.sign_in("root")
    window.page.goto(f"{window.url}/admin/registry/tool/{tool.pk}/change/")
    assert window.page.get_by_text("give it 2.0 or above").is_visible()
    _shot(window, f"admin-{width}")


def _shot(window: Visit, name: str) -> None:
    """A picture to look at, where one is asked for: `LOOK=folder`."""
    if folder := os.environ.get("LOOK"):
        window.page.screenshot(path=f"{folder}/{name}.png", full_page=True)
