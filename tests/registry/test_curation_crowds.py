"""Several people at once: two reviewers, two submissions, a vote and a withdrawal."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections
from kernel import outbox
from kernel.problems import Problem

from governance import approvals, curation
from governance.models import AuditEvent
from registry import proposals, quotas, reports
from registry.models import ToolProposal, ToolReport
from tests import factories
from tests.registry.curating import entry_of, make_own_tool, new_entry, question_of, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """Nothing is delivered but by the test."""
    monkeypatch.setattr(outbox.wiring, "nudge", lambda row_id, topic: None)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each act returned, or the Problem it ended with."""
    start, found = Barrier(len(acts)), [None] * len(acts)

    def run(index: int) -> None:
        start.wait()
        try:
            found[index] = acts[index]()
        except Problem as problem:
            found[index] = problem
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def published() -> int:
    return AuditEvent.objects.filter(event="tool_proposal.published").count()


def test_two_reviewers_at_once_decide_once(team, alice, root):
    ruth = factories.make_user("ruth", role="platform")
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."))
    question = question_of(row).id
    votes = at_once(
        lambda: approvals.vote(question, by=root, decision="approve", comment=""),
        lambda: approvals.vote(question, by=ruth, decision="reject", comment="no"),
    )
    assert sum(isinstance(each, approvals.Closed) for each in votes) == 1
    outbox.drain()
    row.refresh_from_db()
    tool.refresh_from_db()
    decided = question_of(row).status
    assert row.status == {"approved": "published", "rejected": "rejected"}[decided]
    assert tool.live_version.version == {"approved": "1.1", "rejected": "1.0"}[decided]


def test_a_decision_that_is_delivered_twice_at_once_publishes_once(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."))
    question = question_of(row).id
    approvals.vote(question, by=root, decision="approve", comment="")
    at_once(*[lambda: curation.decided(question)] * 4)
    assert published() == 1
    assert tool.versions.count() == 2


def test_an_approval_and_a_withdrawal_at_once_leave_one_outcome(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."))
    question = question_of(row).id
    approvals.vote(question, by=root, decision="approve", comment="")
    at_once(lambda: curation.decided(question), lambda: proposals.withdraw(row.id, by=alice.actor))
    outbox.drain()
    row.refresh_from_db()
    tool.refresh_from_db()
    expected = {"published": "1.1", "withdrawn": "1.0"}
    assert tool.live_version.version == expected[row.status]
    assert published() == (row.status == "published")


def test_submissions_at_once_leave_one_in_review(team, alice, bob):
    tool = make_own_tool(team)
    at_once(
        *(
            lambda who=who, text=text: proposals.submit(
                entry_of(tool, description=text), by=who.actor
            )
            for who, text in ((alice, "A."), (bob, "B."), (alice, "C."))
        )
    )
    outbox.drain()
    rows = ToolProposal.objects.filter(status="open")
    assert rows.count() == 1
    assert question_of(rows.get()).status == "open"


def test_a_submission_delivered_twice_at_once_asks_once(team, alice):
    row = proposals.submit(new_entry(team), by=alice.actor)
    at_once(*[lambda: curation.submitted(row.id)] * 4)
    assert question_of(row).status == "open"


def test_reports_at_once_stay_below_the_limit(team, alice, monkeypatch):
    monkeypatch.setattr(reports, "PER_HOUR", 3)
    done = at_once(*[lambda: reports.request_tool(title="x", text="y", by=alice.actor)] * 8)
    assert sum(isinstance(each, quotas.TooMany) for each in done) == 5
    assert ToolReport.objects.count() == 3


def test_two_answers_at_once_leave_the_first(team, alice, bob, charlie):
    make_own_tool(team)
    row = reports.report_problem("lint", title="x", text="y", by=charlie.actor)
    done = at_once(
        *(
            lambda who=who: reports.answer(
                row.id, by=who.actor, status="answered", comment=who.username
            )
            for who in (alice, bob)
        )
    )
    refused = [each for each in done if isinstance(each, Problem)]
    assert [problem.status for problem in refused] == [409]
    row.refresh_from_db()
    assert row.answered_by == f"user:{row.answer}"
