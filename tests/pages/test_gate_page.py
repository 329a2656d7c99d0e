"""The gate's page: who sees it, who votes on it, and what it shows."""

from typing import Any

import pytest
from django.test import Client
from kernel import clock

from governance.models import Approval, Vote
from registry.models import Agent, Team, User
from tests import factories
from tests.pages import scenes
from tests.pages.scenes import GateScene

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

QUERIES = 45


@pytest.fixture
def scene(team: Team, alice: User) -> GateScene:
    return scenes.gate(team, alice)


def _url(scene: GateScene) -> str:
    return f"/approvals/{scene.approval.id}/"


def _text(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_nobody_is_sent_to_sign_in(scene: GateScene, browse: Any) -> None:
    answer = browse(None).get(_url(scene))
    assert answer.status_code == 302
    assert answer["Location"] == f"/login/?next={_url(scene)}"


def test_charlie_finds_nothing_there(scene: GateScene, browse: Any, charlie: User) -> None:
    answer = browse(charlie).get(_url(scene))
    assert answer.status_code == 404
    assert "isn&#x27;t visible to you" in answer.content.decode()


def test_charlies_vote_finds_nothing_there(scene: GateScene, browse: Any, charlie: User) -> None:
    answer = browse(charlie).post(_url(scene), {"decision": "approve"})
    assert answer.status_code == 404
    assert not Vote.objects.exists()


@pytest.mark.parametrize("who", ["bob", "audra", "alice"])
def test_the_team_and_auditors_read_without_a_form(
    scene: GateScene, browse: Any, who: str, request: pytest.FixtureRequest
) -> None:
    text = _text(browse(request.getfixturevalue(who)), _url(scene))
    assert "src/auth/tokens.py" in text
    assert 'name="decision"' not in text


def test_rita_sees_the_whole_ground_and_a_form(scene: GateScene, browse: Any, rita: User) -> None:
    text = _text(browse(rita), _url(scene))
    for shown in (
        "Review the refactoring and its tests",
        "Move JWT validation to separate module",
        "7 tests written",
        "20 passed in 0.42s",
        "$0.12",
        "merge_agent",
        "rev 1 → 2, 4 files",
        'name="exclude" value="src/auth/login.py:tokens"',
        'value="approve"',
        'value="request_changes"',
        'value="reject"',
    ):
        assert shown in text, shown


def test_rita_approves(scene: GateScene, browse: Any, rita: User) -> None:
    client = browse(rita)
    answer = client.post(_url(scene), {"decision": "approve", "comment": "fine"}, follow=True)
    assert answer.redirect_chain == [(_url(scene), 303)]
    text = answer.content.decode()
    assert "You approved this." in text
    assert 'name="decision"' not in text
    approval = Approval.objects.get(id=scene.approval.id)
    assert approval.status == "approved"
    assert approval.votes.get().comment == "fine"


def test_rita_requests_changes_and_leaves_a_candidate_out(
    scene: GateScene, browse: Any, rita: User
) -> None:
    data = {
        "decision": "request_changes",
        "comment": "not this one",
        "exclude": "src/auth/login.py:tokens",
    }
    answer = browse(rita).post(_url(scene), data, follow=True)
    assert "You requested changes." in answer.content.decode()
    vote = Vote.objects.get()
    assert vote.decision == "request_changes"
    assert vote.fields == {"exclude": ["src/auth/login.py:tokens"]}


def test_a_left_out_candidate_means_nothing_with_an_approval(
    scene: GateScene, browse: Any, rita: User
) -> None:
    data = {"decision": "approve", "exclude": "src/auth/login.py:tokens"}
    browse(rita).post(_url(scene), data)
    assert Vote.objects.get().fields == {}


def test_requested_changes_without_a_comment_come_back_with_the_reason(
    scene: GateScene, browse: Any, rita: User
) -> None:
    data = {"decision": "request_changes", "comment": " ", "exclude": "src/auth/login.py:tokens"}
    answer = browse(rita).post(_url(scene), data)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "say what should change" in text
    assert 'aria-invalid="true"' in text
    assert 'value="src/auth/login.py:tokens" checked' in text
    assert not Vote.objects.exists()


def test_an_unknown_decision_is_a_form_error(scene: GateScene, browse: Any, rita: User) -> None:
    answer = browse(rita).post(_url(scene), {"decision": "perhaps", "comment": "keep me"})
    assert answer.status_code == 422
    assert "keep me" in answer.content.decode()


@pytest.mark.parametrize("who", ["alice", "bob", "audra"])
def test_a_vote_of_who_isnt_asked_is_refused_readably(
    scene: GateScene, browse: Any, who: str, request: pytest.FixtureRequest
) -> None:
    client = browse(request.getfixturevalue(who))
    answer = client.post(_url(scene), {"decision": "approve"})
    assert answer.status_code == 403
    assert answer["Content-Type"].startswith("text/html")
    assert "<h1>Forbidden</h1>" in answer.content.decode()
    assert not Vote.objects.exists()


def test_a_reviewer_who_started_the_run_may_read_but_not_vote(
    team: Team, rita: User, browse: Any
) -> None:
    scene = scenes.gate(team, rita)
    text = _text(browse(rita), _url(scene))
    assert "You asked for this, so somebody else decides it." in text
    answer = browse(rita).post(_url(scene), {"decision": "approve"})
    assert answer.status_code == 403
    assert "somebody else decides it" in answer.content.decode()


def test_a_second_vote_is_told_that_it_is_closed(scene: GateScene, browse: Any, rita: User) -> None:
    browse(rita).post(_url(scene), {"decision": "reject"})
    answer = browse(rita).post(_url(scene), {"decision": "approve"})
    assert answer.status_code == 409
    assert "no more votes are taken" in answer.content.decode()
    assert Approval.objects.get(id=scene.approval.id).status == "rejected"


def test_a_vote_without_csrf_token_is_refused(scene: GateScene, rita: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(rita, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(_url(scene), {"decision": "approve"})
    assert answer.status_code == 403
    assert "The form is stale" in answer.content.decode()
    assert not Vote.objects.exists()


def test_both_layouts_show_every_changed_line(scene: GateScene, browse: Any, rita: User) -> None:
    for layout, table in (("split", "diff--split"), ("unified", "diff--unified")):
        text = _text(browse(rita), f"{_url(scene)}?view={layout}")
        assert table in text
        assert "from auth.tokens import issue, validate" in text
        assert "Binary content" in text


def test_one_file_can_be_shown_alone(scene: GateScene, browse: Any, rita: User) -> None:
    text = _text(browse(rita), f"{_url(scene)}?file=src/auth/tokens.py")
    assert text.count("diff-file__path") == 1


@pytest.mark.parametrize(
    "query", ["page=x", "page=-1", "page=999999999999", "file=%00../x", "view="]
)
def test_strange_parameters_do_no_harm(
    scene: GateScene, browse: Any, rita: User, query: str
) -> None:
    assert browse(rita).get(f"{_url(scene)}?{query}").status_code == 200


def test_the_queries_dont_grow_with_the_change(
    scene: GateScene, browse: Any, rita: User, django_assert_max_num_queries: Any
) -> None:
    client = browse(rita)
    with django_assert_max_num_queries(QUERIES):
        client.get(_url(scene))


def test_another_teams_project_is_never_opened(
    team: Team, other_team: Team, alice: User, charlie: User, rita: User, browse: Any
) -> None:
    scenes.make_project(other_team, charlie.actor, "secrets")
    shown = {"code": {"project": "secrets", "base_rev": 1, "rev": 2}}
    scene = scenes.gate(team, alice, shown=shown)
    scene.run.project = None
    scene.run.save(update_fields=["project"])
    text = _text(browse(rita), _url(scene))
    assert "src/auth/login.py" not in text


def test_a_parked_call_shows_exactly_what_would_run(agent: Agent, rita: User, browse: Any) -> None:
    approval = scenes.parked_call(agent, factories.make_tool("query_database"))
    text = _text(browse(rita), f"/approvals/{approval.id}/")
    for shown in ("DROP TABLE users", "production_access", "Writes to production need", "0.01"):
        assert shown in text, shown
    assert "request_changes" not in text


def test_a_closed_gate_shows_its_votes(
    scene: GateScene, browse: Any, rita: User, bob: User
) -> None:
    browse(rita).post(_url(scene), {"decision": "reject", "comment": "no, thank you"})
    text = _text(browse(bob), _url(scene))
    assert "no, thank you" in text
    assert "Rejected" in text


def test_past_its_deadline_nobody_is_offered_a_vote(
    scene: GateScene, browse: Any, rita: User
) -> None:
    Approval.objects.filter(id=scene.approval.id).update(deadline=clock.now())
    text = _text(browse(rita), _url(scene))
    assert "The deadline is over" in text
    assert 'name="decision"' not in text
