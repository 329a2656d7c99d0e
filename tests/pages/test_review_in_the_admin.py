"""A proposed tool is decided where the admin shows it, by the one vote that there is."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from kernel import outbox

from governance.models import AuditEvent, Vote
from registry import publishing
from registry.models import Agent, Team, Tool, ToolProposal, User
from tests import factories
from tests.governance.rows import ask
from tests.pages.conftest import DESK, PHONE, Visit
from tests.registry.curating import (
    assert_published,
    entry_of,
    make_own_tool,
    new_entry,
    question_of,
    submit,
)

pytestmark = pytest.mark.django_db

Browse = Callable[[User | None], Client]
SCRIPT = "<script>document.title='taken'</script>"
FORM = 'id="vote-comment"'


def page_of(row: ToolProposal) -> str:
    return f"/admin/registry/toolproposal/{row.pk}/change/"


def door_of(row: ToolProposal) -> str:
    return f"/admin/governance/approval/{question_of(row).pk}/vote/"


def sent(row: ToolProposal, decision: str = "approve", **more: str) -> dict[str, str]:
    """What the form sends; the row's digest is what the page shows."""
    return {"decision": decision, "comment": "", "seen": row.digest} | more


@pytest.fixture
def row(team: Team, alice: User) -> ToolProposal:
    tool = make_own_tool(team)
    return submit(alice, entry_of(tool, description="Better."), notes="Says more.")


def test_a_reviewer_reads_the_difference_and_approves_beside_it(
    browse: Browse, row: ToolProposal, root: User
) -> None:
    page = browse(root).get(page_of(row)).content.decode()
    for told in (FORM, "+description: Better.", "/description", "Says more.", "Who is hit"):
        assert told in page
    answer = browse(root).post(door_of(row), sent(row, comment="reads well"), follow=True)
    assert answer.redirect_chain == [(page_of(row), 303)]
    assert "You approved this." in answer.content.decode()
    outbox.drain()
    assert Tool.objects.get().live_version.version == "1.1"
    vote = Vote.objects.get()
    assert (vote.user_name, vote.decision, vote.comment) == ("root", "approve", "reads well")
    page = browse(root).get(page_of(row)).content.decode()
    assert FORM not in page
    assert "reads well" in page


@pytest.mark.parametrize(
    ("decision", "status"), [("reject", "rejected"), ("request_changes", "changes_requested")]
)
def test_a_no_in_the_admin_keeps_what_is_live(
    browse: Browse, row: ToolProposal, root: User, decision: str, status: str
) -> None:
    browse(root).post(door_of(row), sent(row, decision, comment="too wide"))
    outbox.drain()
    row.refresh_from_db()
    assert (row.status, row.outcome) == (status, "root: too wide")
    assert Tool.objects.get().live_version.version == "1.0"


@pytest.mark.parametrize(
    ("who", "reads", "status", "told"),
    [
        ("alice", 200, 403, "somebody else decides it"),
        ("bob", 200, 403, "you aren&#x27;t asked"),
        ("audra", 200, 403, "you aren&#x27;t asked"),
        ("charlie", 302, 404, ""),
        ("rita", 302, 404, ""),
    ],
)
def test_who_is_not_asked_has_no_form_and_no_vote(
    request: Any,
    browse: Browse,
    row: ToolProposal,
    who: str,
    reads: int,
    status: int,
    told: str,
) -> None:
    browser = browse(request.getfixturevalue(who))
    page = browser.get(page_of(row))
    assert page.status_code == reads
    assert FORM not in page.content.decode()
    assert told in page.content.decode()
    assert browser.post(door_of(row), sent(row)).status_code == status
    assert not Vote.objects.exists()


def test_nobody_is_sent_to_sign_in_and_votes_for_nothing(browse: Browse, row: ToolProposal) -> None:
    answer = browse(None).post(door_of(row), sent(row))
    assert answer.status_code == 302
    assert "login" in answer["Location"]
    assert not Vote.objects.exists()


def test_who_proposed_does_not_decide_even_from_the_platform_team(
    browse: Browse, team: Team, root: User
) -> None:
    own = submit(root, new_entry(team))
    assert FORM not in browse(root).get(page_of(own)).content.decode()
    assert browse(root).post(door_of(own), sent(own)).status_code == 403
    assert not Vote.objects.exists()


def test_a_vote_is_posted_with_its_token(row: ToolProposal, root: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    assert strict.get(door_of(row)).status_code == 405
    assert strict.post(door_of(row), sent(row)).status_code == 403
    assert not Vote.objects.exists()


def test_what_does_not_fit_is_told_in_its_place_and_the_comment_is_kept(
    browse: Browse, row: ToolProposal, root: User
) -> None:
    answer = browse(root).post(door_of(row), sent(row, "request_changes", comment=" "))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "say what should change" in page
    assert 'aria-invalid="true"' in page
    answer = browse(root).post(door_of(row), sent(row, "perhaps", comment="Keep <me>."))
    assert answer.status_code == 422
    assert "Keep &lt;me&gt;.</textarea>" in answer.content.decode()
    assert not Vote.objects.exists()


def test_a_proposal_that_was_changed_after_it_was_shown_is_not_approved(
    browse: Browse, row: ToolProposal, root: User
) -> None:
    forged = row.document | {"description": "Forged."}
    ToolProposal.objects.filter(id=row.id).update(document=forged)
    for address in (door_of(row), f"/approvals/{question_of(row).pk}/"):
        answer = browse(root).post(address, sent(row, comment="fine"))
        assert answer.status_code == 409
        assert "what was shown to the reviewers" in answer.content.decode()
    assert not Vote.objects.exists()


def test_a_vote_about_something_else_than_what_is_asked_is_refused(
    browse: Browse, row: ToolProposal, root: User
) -> None:
    """Also where the row was changed before it was shown: the form then sends another digest."""
    for seen in ("", "0" * 64):
        answer = browse(root).post(door_of(row), sent(row, "reject", seen=seen))
        assert answer.status_code == 409
        assert "What you were shown" in answer.content.decode()
    assert not Vote.objects.exists()


def test_a_proposal_whose_base_is_not_live_any_more_is_not_approved_but_can_be_rejected(
    browse: Browse, row: ToolProposal, root: User
) -> None:
    tool = Tool.objects.get()
    tool.description, tool.version = "Hotfix.", "1.0.1"
    publishing.publish(tool, by="user:root")
    assert "would publish nothing" in browse(root).get(page_of(row)).content.decode()
    answer = browse(root).post(door_of(row), sent(row))
    assert answer.status_code == 409
    assert "1.0.1 is live now" in answer.content.decode()
    assert browse(root).post(door_of(row), sent(row, "reject")).status_code == 303


def test_a_newer_proposal_takes_the_place_of_the_one_that_was_shown(
    browse: Browse, row: ToolProposal, alice: User, root: User
) -> None:
    newer = submit(alice, entry_of(Tool.objects.get(), description="Best."))
    answer = browse(root).post(door_of(row), sent(row))
    assert answer.status_code == 409
    assert "no more votes are taken" in answer.content.decode()
    assert FORM in browse(root).get(page_of(newer)).content.decode()
    assert not Vote.objects.exists()


def test_only_questions_about_proposals_are_answered_here(
    browse: Browse, agent: Agent, root: User
) -> None:
    gate = ask(agent, reviewers={"role": "platform"})
    answer = browse(root).post(f"/admin/governance/approval/{gate.pk}/vote/", {"seen": gate.digest})
    assert answer.status_code == 404


def test_the_api_refuses_what_its_caller_saw_otherwise(row: ToolProposal, root: User) -> None:
    client = Client()
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    address = f"/api/v1/approvals/{question_of(row).pk}/votes/"
    body = {"decision": "approve", "seen": "0" * 64}
    assert client.post(address, body, content_type="application/json").status_code == 409
    body["seen"] = row.digest
    assert client.post(address, body, content_type="application/json").status_code == 201


def test_a_new_tool_is_shown_whole_and_what_others_wrote_is_text(
    browse: Browse, team: Team, alice: User, root: User
) -> None:
    own = submit(alice, new_entry(team, description=SCRIPT), notes=SCRIPT)
    page = browse(root).get(page_of(own)).content.decode()
    assert SCRIPT not in page
    assert "A new tool: lint 1.0" in page
    answer = browse(root).post(door_of(own), sent(own, "perhaps", comment=f"</textarea>{SCRIPT}"))
    assert SCRIPT not in answer.content.decode()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_two_reviewers_at_once_one_decides_and_the_other_is_told(
    browse: Browse, team: Team, alice: User, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox.wiring, "nudge", lambda row_id, topic: None)
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."))
    browsers = [browse(root), browse(factories.make_user("ruth", role="platform"))]
    start, found, door = Barrier(2), [0, 0], door_of(row)

    def vote(index: int, decision: str) -> None:
        start.wait()
        try:
            found[index] = browsers[index].post(door, sent(row, decision)).status_code
        finally:
            connections.close_all()

    threads = [Thread(target=vote, args=each) for each in ((0, "approve"), (1, "reject"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [303, 409]
    assert Vote.objects.count() == 1
    assert AuditEvent.objects.filter(event="approval.closed").count() == 1
    outbox.drain()
    tool.refresh_from_db()
    assert tool.live_version.version == ("1.1" if found[0] == 303 else "1.0")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_root_decides_in_the_admin_by_keyboard_alone(
    visit: Callable[..., Visit], team: Team, alice: User, root: User, width: int, scheme: str
) -> None:
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better. " + "W" * 300), notes=SCRIPT)
    window = visit(width, scheme)
    window.sign_in("root")
    window.go(page_of(row))
    window.tab_to("#vote-comment", most=120)
    window.approve()
    assert_published(tool, "1.1")
