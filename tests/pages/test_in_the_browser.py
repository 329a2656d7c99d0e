"""The pages in a real browser: by keyboard alone, on a phone, without scripts, in the dark."""

from collections.abc import Callable
from typing import Any

import pytest

from governance.models import Approval
from orchestration.models import Step, WorkflowRun
from registry.models import Agent, Team, User
from tests import factories
from tests.pages import scenes
from tests.pages.conftest import DESK, PHONE, Visit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[..., Visit]


def test_rita_signs_in_reads_the_gate_and_approves_by_keyboard_alone(
    visit: Open, team: Team, alice: User, rita: User
) -> None:
    scene = scenes.gate(team, alice)
    window = visit()
    window.sign_in("rita")
    window.tab_to(f'a[href="/approvals/{scene.approval.id}/"]')
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/approvals/*/")
    assert window.page.get_by_text("from auth.tokens import issue, validate").first.is_visible()
    window.tab_to("#comment")
    window.page.keyboard.type("reads well")
    window.tab_to('button[value="approve"]')
    window.page.keyboard.press("Enter")
    window.page.get_by_text("You approved this.").wait_for()
    approval = Approval.objects.get(id=scene.approval.id)
    assert approval.status == "approved"
    assert approval.votes.get().comment == "reads well"


def test_the_skip_link_is_the_first_stop(visit: Open, root: User) -> None:
    window = visit()
    window.sign_in("root")
    window.go("/runs/")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.activeElement.className") == "skip"
    window.page.keyboard.press("Enter")
    assert window.page.evaluate("document.activeElement.id") == "content"


def test_changes_are_requested_without_any_script(
    visit: Open, team: Team, alice: User, rita: User
) -> None:
    scene = scenes.gate(team, alice)
    window = visit(java_script_enabled=False)
    window.page.goto(f"{window.url}/login/?next=/approvals/{scene.approval.id}/")
    window.page.fill("#id_username", "rita")
    window.page.fill("#id_password", factories.PASSWORD)
    window.page.click("button")
    window.page.get_by_role("link", name="Unified").click()
    window.page.locator(".diff--unified").first.wait_for()
    window.page.check("#exclude")
    window.page.click('button[value="request_changes"]')
    window.page.get_by_text("say what should change", exact=True).wait_for()
    window.faults.clear()  # The answer 422 is what was asked for.
    assert window.page.is_checked("#exclude")
    window.page.fill("#comment", "take the throttle instead")
    window.page.click('button[value="request_changes"]')
    window.page.get_by_text("You requested changes.").wait_for()
    vote = Approval.objects.get(id=scene.approval.id).votes.get()
    assert vote.fields == {"exclude": ["src/auth/login.py:tokens"]}


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_every_page_fits_and_is_without_fault(
    visit: Open, team: Team, alice: User, root: User, agent: Agent, width: int, scheme: str
) -> None:
    scene = scenes.gate(team, alice)
    parked = scenes.parked_call(agent, factories.make_tool("query_database"), sql="x" * 5000)
    hostile = "W" * 300
    Approval.objects.filter(id=scene.approval.id).update(title=hostile, question=hostile)
    WorkflowRun.objects.filter(id=scene.run.id).update(reason=hostile)
    window = visit(width, scheme)
    window.sign_in("root")
    gate = f"/approvals/{scene.approval.id}/"
    for path in (
        "/",
        "/approvals/",
        gate,
        f"{gate}?view=unified",
        f"/approvals/{parked.id}/",
        "/runs/",
        f"/runs/{scene.run.id}/",
        "/projects/",
        f"/projects/{scene.project.name}/",
    ):
        window.go(path)


def test_a_live_runs_page_follows_it(visit: Open, team: Team, alice: User) -> None:
    scene = scenes.gate(team, alice)
    window = visit()
    window.sign_in("alice")
    window.go(f"/runs/{scene.run.id}/")
    window.page.get_by_text("Follows the run live.").wait_for()
    Step.objects.filter(id=scene.step.id).update(status="succeeded")
    WorkflowRun.objects.filter(id=scene.run.id).update(status="succeeded")
    window.page.locator(".page-header .badge--green").wait_for(timeout=15_000)


def test_nothing_that_agents_write_runs(visit: Open, team: Team, alice: User, rita: User) -> None:
    script = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    scene = scenes.gate(team, alice)
    shown: dict[str, Any] = scene.approval.shown
    shown["code"]["summary"] = shown["tests"]["output"] = script
    Approval.objects.filter(id=scene.approval.id).update(shown=shown, title=script)
    window = visit()
    window.sign_in("rita")
    window.go(f"/approvals/{scene.approval.id}/")
    assert "taken" not in window.page.title().split("<")[0]
    assert window.page.evaluate("document.querySelectorAll('main script, main img').length") == 0
