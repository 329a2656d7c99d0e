"""The list of runs and the run's page: who sees them, and who steers."""

from collections.abc import Callable

import pytest
from django.test import Client

from orchestration.models import WorkflowRun
from registry.models import Agent, Team, User
from tests import factories
from tests.pages import scenes
from tests.pages.scenes import GateScene

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(team: Team, alice: User) -> GateScene:
    return scenes.gate(team, alice)


def test_nobody_is_sent_to_sign_in(scene: GateScene) -> None:
    for url in ("/runs/", f"/runs/{scene.run.id}/"):
        answer = Client().get(url)
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={url}")


@pytest.mark.parametrize("who", ["alice", "bob", "audra", "root"])
def test_the_team_auditors_and_the_platform_team_see_the_run(
    scene: GateScene, browse: Callable[[User | None], Client], who: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    client = browse(request.getfixturevalue(who))
    assert str(scene.run.id) in client.get("/runs/").content.decode()
    text = client.get(f"/runs/{scene.run.id}/").content.decode()
    for shown in ("human_review", "gate.opened", "$0.12", f"/approvals/{scene.approval.id}/"):
        assert shown in text, shown


@pytest.mark.parametrize("who", ["charlie", "rita"])
def test_others_find_nothing_there(
    scene: GateScene, browse: Callable[[User | None], Client], who: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    client = browse(request.getfixturevalue(who))
    assert str(scene.run.id) not in client.get("/runs/").content.decode()
    assert client.get(f"/runs/{scene.run.id}/").status_code == 404
    assert client.post(f"/runs/{scene.run.id}/cancel/").status_code == 404


def test_an_auditor_reads_but_has_no_buttons(
    scene: GateScene, browse: Callable[[User | None], Client], audra: User
) -> None:
    client = browse(audra)
    assert "Cancel the run" not in client.get(f"/runs/{scene.run.id}/").content.decode()
    for act in ("cancel", "resume"):
        assert client.post(f"/runs/{scene.run.id}/{act}/").status_code == 403
    assert WorkflowRun.objects.get().status == "waiting"


def test_a_get_never_steers(
    scene: GateScene, browse: Callable[[User | None], Client], alice: User
) -> None:
    assert browse(alice).get(f"/runs/{scene.run.id}/cancel/").status_code == 405


def test_bob_cancels_and_a_second_time_changes_nothing(
    scene: GateScene, browse: Callable[[User | None], Client], bob: User
) -> None:
    client = browse(bob)
    for _ in range(2):
        answer = client.post(f"/runs/{scene.run.id}/cancel/", follow=True)
        assert answer.redirect_chain == [(f"/runs/{scene.run.id}/", 303)]
    assert WorkflowRun.objects.get().status == "cancelled"


def test_resuming_a_run_that_isnt_paused_says_so(
    scene: GateScene, browse: Callable[[User | None], Client], bob: User
) -> None:
    answer = browse(bob).post(f"/runs/{scene.run.id}/resume/", follow=True)
    assert "there is nothing to resume" in answer.content.decode()


def test_hostile_calls_and_errors_are_text(
    scene: GateScene, browse: Callable[[User | None], Client], alice: User, agent: Agent
) -> None:
    tool = factories.make_tool("run_tests")
    scenes.make_call(agent, tool, run_id=scene.run.id, detail="<script>alert(1)</script>\u202e")
    scene.step.error = {"message": "<script>alert(2)</script>"}
    scene.step.save(update_fields=["error"])
    text = browse(alice).get(f"/runs/{scene.run.id}/").content.decode()
    assert "<script>alert" not in text
    assert "\u202e" not in text


def test_the_list_is_paged(
    team: Team, alice: User, browse: Callable[[User | None], Client]
) -> None:
    runs = [scenes.make_run(team, alice.actor, status="succeeded") for _ in range(60)]
    client = browse(alice)
    first = client.get("/runs/").content.decode()
    assert str(runs[-1].id) in first
    assert str(runs[0].id) not in first
    second = client.get(f"/runs/?before={runs[10].id}").content.decode()
    assert str(runs[0].id) in second
    assert "Nothing is under way" in client.get("/runs/?status=live").content.decode()
    assert client.get("/runs/?before=nonsense").status_code == 200


def test_the_queries_dont_grow_with_the_rows(
    team: Team, alice: User, browse: Callable[[User | None], Client],
    django_assert_max_num_queries: Callable[[int], object], agent: Agent,
) -> None:  # fmt: skip
    scene = scenes.gate(team, alice)
    tool = factories.make_tool("run_tests")
    for _ in range(40):
        scenes.make_call(agent, tool, run_id=scene.run.id)
        scenes.make_run(team, alice.actor, scene.project)
    client = browse(alice)
    with django_assert_max_num_queries(20):  # type: ignore[attr-defined]
        client.get("/runs/")
    with django_assert_max_num_queries(40):  # type: ignore[attr-defined]
        client.get(f"/runs/{scene.run.id}/")
