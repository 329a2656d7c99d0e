"""Proposals and reports as people read, decide and answer them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from kernel import canonical, documents, outbox

from orchestration.models import ExampleRun
from registry import proposals, reports
from registry.models import Team, Tool, ToolProposal, ToolReport, User
from tests.pages.conftest import DESK, PHONE, Visit
from tests.registry.curating import (
    assert_published,
    decide,
    entry_of,
    make_own_tool,
    new_entry,
    question_of,
    submit,
)

pytestmark = pytest.mark.django_db

Browse = Callable[[User | None], Client]
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


def test_a_reviewer_reads_both_contracts_and_what_callers_feel(
    browse: Browse, team: Team, alice: User, root: User
) -> None:
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."), notes="Says more.")
    answer = browse(root).get(f"/tools/proposals/{row.id}/", follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain[-1][0] == f"/approvals/{question_of(row).id}/"
    shown = (">1.0 → 1.1<", "Better", "Says more.", "/description", "diff--split", "Who is hit")
    for told in shown:
        assert told in page
    assert 'value="request_changes"' in page


@pytest.mark.parametrize(
    ("who", "status"),
    [("alice", 200), ("bob", 200), ("root", 200), ("audra", 200), ("charlie", 404), ("rita", 404)],
)
def test_who_sees_a_proposal(
    request: Any, browse: Browse, team: Team, alice: User, who: str, status: int
) -> None:
    row = submit(alice, new_entry(team))
    browser = browse(request.getfixturevalue(who))
    assert browser.get(f"/tools/proposals/{row.id}/", follow=True).status_code == status
    assert browser.get(f"/approvals/{question_of(row).id}/").status_code == status
    listed = f"/tools/proposals/{row.id}/" in browser.get("/tools/proposals/").content.decode()
    assert listed is (status == 200)


@pytest.mark.parametrize(
    "path",
    "/tools/proposals/ /tools/proposals/new/ /tools/lint/propose/ /tools/reports/ "
    "/tools/request/ /tools/lint/report/".split(),
)
def test_nobody_is_sent_to_sign_in(browse: Browse, team: Team, path: str) -> None:
    make_own_tool(team)
    for answer in (browse(None).get(path), browse(None).post(path, {"title": "x", "text": "x"})):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/")
    assert not ToolReport.objects.exists()


def test_nobody_reads_decides_or_withdraws(browse: Browse, team: Team, alice: User) -> None:
    row = submit(alice, new_entry(team))
    report = reports.request_tool(title="x", text="y", by=alice.actor)
    for path in (f"/tools/proposals/{row.id}/", f"/tools/reports/{report.id}/"):
        assert browse(None).get(path)["Location"].startswith("/login/")
    browse(None).post(f"/tools/proposals/{row.id}/withdraw/")
    browse(None).post(f"/tools/reports/{report.id}/", {"status": "closed"})
    row.refresh_from_db()
    report.refresh_from_db()
    assert (row.status, report.status) == ("open", "open")


def test_a_vote_on_the_page_publishes_and_the_proposal_says_so(
    browse: Browse, team: Team, alice: User, root: User
) -> None:
    row = submit(alice, new_entry(team))
    address = f"/approvals/{question_of(row).id}/"
    assert browse(root).post(address, {"decision": "approve"}).status_code == 303
    outbox.drain()
    assert Tool.objects.get().live_version.version == "1.0"
    assert "Approved by root." in browse(alice).get(address).content.decode()


def test_the_requester_reads_and_has_no_vote(browse: Browse, team: Team, root: User) -> None:
    row = submit(root, new_entry(team))
    address = f"/approvals/{question_of(row).id}/"
    assert 'value="approve"' not in browse(root).get(address).content.decode()
    assert browse(root).post(address, {"decision": "approve"}).status_code == 403
    assert not Tool.objects.exists()


def test_an_outdated_proposal_says_so_before_anybody_votes(
    browse: Browse, team: Team, alice: User, root: User
) -> None:
    tool = make_own_tool(team)
    first = submit(alice, entry_of(tool, description="A.", version="1.2"))
    other = submit(alice, new_entry(team, "other"))
    Tool.objects.filter(pk=tool.pk).update(live_version=None)
    page = browse(root).get(f"/approvals/{question_of(first).id}/").content.decode()
    assert "Approving this would publish nothing." in page
    assert (
        "publish nothing"
        not in browse(root).get(f"/approvals/{question_of(other).id}/").content.decode()
    )


def test_a_member_withdraws_on_the_page_and_others_do_not(
    browse: Browse, team: Team, alice: User, bob: User, charlie: User, audra: User
) -> None:
    row = submit(alice, new_entry(team))
    address = f"/tools/proposals/{row.id}/withdraw/"
    assert browse(charlie).post(address).status_code == 404
    assert browse(audra).post(address).status_code == 403
    assert browse(bob).get(address).status_code == 405
    assert browse(bob).post(address).status_code == 303
    assert "nothing to withdraw" in browse(bob).post(address, follow=True).content.decode()
    row.refresh_from_db()
    assert row.status == "withdrawn"


def test_a_member_proposes_a_change_in_the_form(
    browse: Browse, team: Team, alice: User, charlie: User
) -> None:
    make_own_tool(team)
    assert browse(charlie).get("/tools/lint/propose/").status_code == 403
    assert browse(alice).get("/tools/nonesuch/propose/").status_code == 404
    form = browse(alice).get("/tools/lint/propose/").context["form"]
    entry = documents.from_text(form.text) | {"version": "1.1", "description": "Better."}
    sent = {"document": documents.to_text(entry), "base": form.base, "notes": "Why."}
    broken = browse(alice).post("/tools/lint/propose/", sent | {"document": "a: [1"})
    assert broken.status_code == 422
    assert "line 1" in broken.content.decode()
    wrong = browse(alice).post("/tools/lint/propose/", sent | {"base": "0.9"})
    assert wrong.status_code == 409
    assert browse(charlie).post("/tools/lint/propose/", sent).status_code == 403
    assert browse(alice).post("/tools/lint/propose/", sent).status_code == 303
    row = ToolProposal.objects.get()
    assert (row.number, row.notes, row.requester_name) == ("1.1", "Why.", "alice")


def test_a_new_tool_is_proposed_in_the_form_by_a_member_of_a_team(
    browse: Browse, team: Team, alice: User, rita: User
) -> None:
    assert browse(rita).get("/tools/proposals/new/").status_code == 403
    begun = browse(alice).get("/tools/proposals/new/").context["form"].text
    empty = browse(alice).post("/tools/proposals/new/", {"document": begun})
    assert empty.status_code == 422
    assert "/name" in empty.content.decode()
    sent = {"document": documents.to_text(new_entry(team)), "base": ""}
    assert browse(alice).post("/tools/proposals/new/", sent).status_code == 303


def test_a_problem_reaches_the_owner_and_its_answer_the_reporter(
    browse: Browse, team: Team, alice: User, bob: User, charlie: User
) -> None:
    make_own_tool(team)
    sent = {"title": "It hangs", "text": "With an empty file."}
    answer = browse(charlie).post("/tools/lint/report/", sent)
    row = ToolReport.objects.get()
    assert answer["Location"] == f"/tools/reports/{row.id}/"
    assert "Reports (1)" in browse(alice).get("/tools/reports/").content.decode()
    assert "It hangs" in browse(bob).get("/approvals/").content.decode()
    assert "Reports (" not in browse(charlie).get("/tools/reports/").content.decode()
    empty = browse(bob).post(answer["Location"], {"status": "answered", "comment": " "})
    assert empty.status_code == 422
    done = browse(bob).post(answer["Location"], {"status": "answered", "comment": "Fixed."})
    assert done.status_code == 303
    assert "Fixed." in browse(charlie).get(answer["Location"]).content.decode()
    assert "Reports (" not in browse(alice).get("/tools/reports/").content.decode()
    late = browse(alice).post(answer["Location"], {"status": "answered", "comment": "Late."})
    assert late.status_code == 409


def test_a_request_without_an_owner_reaches_the_platform_team_alone(
    browse: Browse, alice: User, charlie: User, root: User, audra: User
) -> None:
    sent = {"title": "A translator", "text": "For tickets."}
    address = browse(alice).post("/tools/request/", sent)["Location"]
    assert "Reports (1)" in browse(root).get("/tools/reports/").content.decode()
    assert browse(charlie).get(address).status_code == 404
    assert "A translator" not in browse(charlie).get("/tools/reports/").content.decode()
    assert browse(audra).get(address).status_code == 200
    assert browse(audra).post(address, {"status": "closed"}).status_code == 403
    assert browse(root).post(address, {"status": "closed"}).status_code == 303


def test_a_tool_that_is_not_visible_takes_no_report(
    browse: Browse, team: Team, charlie: User
) -> None:
    make_own_tool(team, is_shared=False)
    sent = {"title": "x", "text": "y"}
    assert browse(charlie).get("/tools/lint/report/").status_code == 404
    assert browse(charlie).post("/tools/lint/report/", sent).status_code == 404


def test_the_admin_shows_proposals_and_reports_to_those_they_concern(
    browse: Browse, team: Team, alice: User, charlie: User, root: User
) -> None:
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description=SCRIPT))
    report = reports.report_problem("lint", title="It hangs", text=SCRIPT, by=alice.actor)
    for path, pk in (("toolproposal", row.pk), ("toolreport", report.pk)):
        address = f"/admin/registry/{path}/{pk}/change/"
        for who in (root, alice):
            page = browse(who).get(address)
            assert page.status_code == 200
            assert SCRIPT not in page.content.decode()
        assert browse(charlie).get(address).status_code in (302, 403, 404)
    review = browse(root).get(f"/admin/registry/toolproposal/{row.pk}/review/")
    assert review["Location"] == f"/tools/proposals/{row.id}/"


def test_a_reviewer_sees_how_the_same_examples_went(
    browse: Browse, team: Team, alice: User, root: User
) -> None:
    known, fresh = {"arguments": {"code": "1"}}, {"arguments": {"code": "2"}}
    tool = make_own_tool(team, examples=[known])
    ExampleRun.objects.create(
        tool_version=tool.live_version,
        position=0,
        checksum=canonical.digest(known),
        passed=True,
        agent_name="worker",
        team_id=team.id,
    )
    row = submit(alice, entry_of(tool, examples=[fresh, known]))
    review = browse(root).get(f"/approvals/{question_of(row).id}/").context["review"]
    assert [each.run.passed if each.run else None for each in review.examples] == [None, True]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
class TestInTheBrowser:
    def test_root_approves_a_proposal_by_keyboard_alone(
        self, visit: Callable[..., Visit], team: Team, alice: User, root: User
    ) -> None:
        tool = make_own_tool(team)
        row = submit(alice, entry_of(tool, description="Better."), notes="Says more.")
        window = visit()
        window.sign_in("root")
        window.go("/approvals/")
        window.tab_to(f'a[href="/approvals/{question_of(row).id}/"]')
        window.page.keyboard.press("Enter")
        window.page.wait_for_url("**/approvals/*/")
        window.tab_to("#comment")
        window.approve()
        assert_published(tool, "1.1")

    @pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
    def test_every_page_fits_and_runs_nothing_that_others_wrote(
        self,
        visit: Callable[..., Visit],
        team: Team,
        alice: User,
        root: User,
        width: int,
        scheme: str,
    ) -> None:
        tool = make_own_tool(team)
        parameters = {"type": "object", "properties": {"W" * 300: {"description": SCRIPT}}}
        hostile = {"description": SCRIPT + "W" * 300, "parameters": parameters, "version": "2.0"}
        examples = [{"arguments": {"a": SCRIPT}}]
        change = submit(alice, entry_of(tool, **hostile, examples=examples), notes=SCRIPT)
        rejected = submit(alice, new_entry(team, "other", tags=[SCRIPT]), notes="W" * 300)
        decide(rejected, root, "reject", SCRIPT + "W" * 300)
        waiting = proposals.submit(new_entry(team, "third"), by=alice.actor)
        report = reports.report_problem("lint", title="W" * 200, text=SCRIPT, by=alice.actor)
        reports.answer(report.id, by=alice.actor, status="answered", comment=SCRIPT)
        wish = reports.request_tool(title=SCRIPT, text="W" * 900, by=alice.actor)
        window = visit(width, scheme)
        window.sign_in("root")
        for path in (
            f"/approvals/{question_of(change).id}/",
            f"/approvals/{question_of(change).id}/?view=unified",
            f"/approvals/{question_of(rejected).id}/",
            f"/tools/proposals/{waiting.id}/",
            "/tools/proposals/",
            "/tools/proposals/new/",
            "/tools/lint/propose/",
            "/tools/lint/report/",
            "/tools/request/",
            "/tools/reports/",
            f"/tools/reports/{report.id}/",
            f"/tools/reports/{wish.id}/",
            "/approvals/",
        ):
            window.go(path)
            assert "taken" not in window.page.title().split("<")[0]
            inside = "document.querySelectorAll('main script, main img').length"
            assert window.page.evaluate(inside) == 0
