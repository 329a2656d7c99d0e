"""A call that policy parks: people answer, and the same call goes on, once."""

from typing import Any

import pytest
from kernel import canonical, clock, outbox
from rest_framework.test import APIClient

from governance import approvals, policies
from governance.models import Approval, AuditEvent, LedgerEntry
from orchestration import calls
from orchestration.models import IdempotencyKey, ToolCall
from registry.models import Agent, Team, Tool, User
from tests import factories
from tests.governance.rows import make_policy
from tests.orchestration.calls.conftest import Post
from tests.orchestration.calls.rows import asking, make_budget, only_call, open_approval

pytestmark = pytest.mark.django_db


def vote(user: User, decision: str, comment: str = "seen") -> Approval:
    """Vote on the open approval, and deliver what follows from it."""
    approval = approvals.vote(open_approval().id, by=user, decision=decision, comment=comment)
    calls.resume(approval.id)
    return approval


def test_a_parked_call_answers_202_with_a_link_and_runs_nothing(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", asking())
    response = post()
    assert response.status_code == 202
    body = response.json()
    assert body["status"] == "awaiting_approval"
    assert body["result"] is None
    approval = open_approval()
    assert body["approval"]["url"] == f"/api/v1/approvals/{approval.id}/"
    assert response["Location"] == f"/api/v1/tool-calls/{body['id']}/"
    assert approval.shown["arguments"] == {"code": "print(42)", "timeout": 30, "packages": []}
    assert AuditEvent.objects.filter(event="tool_call.parked").count() == 1
    assert not LedgerEntry.objects.exists()


def test_the_approval_is_bound_to_exactly_what_was_shown(
    agent: Agent, tool: Tool, post: Post
) -> None:
    make_policy("ask", asking())
    post()
    expected = {
        "agent": str(agent.id),
        "tool_version": str(tool.live_version_id),
        "arguments": {"code": "print(42)", "timeout": 30, "packages": []},
        "environment": "staging",
        "context": None,
    }
    assert open_approval().digest == canonical.digest(expected)


def test_an_approved_call_resumes_as_the_same_call(tool: Tool, post: Post, rita: User) -> None:
    make_policy("ask", asking())
    parked = post(idempotency_key="k").json()
    approval = vote(rita, "approve")
    call = only_call()
    assert str(call.id) == parked["id"]
    assert call.status == "succeeded"
    assert call.payload.result["stdout"] == "42\n"
    assert call.effect == "allow"
    approval.refresh_from_db()
    assert approval.used_at is not None
    repeated = post(idempotency_key="k")
    assert repeated.status_code == 200
    assert repeated.json()["result"]["stdout"] == "42\n"


def test_an_approval_that_is_delivered_twice_runs_the_call_once(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", asking())
    post()
    approval = vote(rita, "approve")
    calls.resume(approval.id)
    assert LedgerEntry.objects.count() == 1
    assert AuditEvent.objects.filter(event="tool_call.succeeded").count() == 1


def test_a_closed_approval_reaches_the_call_through_the_outbox(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", asking())
    post()
    approvals.vote(open_approval().id, by=rita, decision="approve", comment="")
    outbox.drain()
    assert only_call().status == "succeeded"


def test_a_rejected_call_is_refused_with_what_was_said_and_keeps_its_key(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", asking())
    post(idempotency_key="k")
    vote(rita, "reject", "not today")
    call = only_call()
    assert (call.status, call.reason) == ("refused", "denied_by_policy")
    assert "not today" in call.detail
    again = post(idempotency_key="k")
    assert (again.status_code, again.json()["call"]) == (403, str(call.id))
    assert ToolCall.objects.count() == 1


def test_a_question_that_nobody_answers_in_time_cancels_the_call(tool: Tool, post: Post) -> None:
    make_policy("ask", asking(deadline="1h"))
    post()
    with clock.shifted(_hours(2)):
        assert approvals.expire_due() == 1
        calls.resume(Approval.objects.get().id)
    call = only_call()
    assert call.status == "cancelled"
    assert AuditEvent.objects.filter(event="tool_call.cancelled").exists()


def _hours(number: int) -> Any:
    from datetime import timedelta  # noqa: PLC0415

    return timedelta(hours=number)


def test_policy_that_changed_meanwhile_is_judged_again(tool: Tool, post: Post, rita: User) -> None:
    make_policy("ask", asking())
    post(idempotency_key="k")
    make_policy("never", [{"name": "no", "deny": True, "message": "Not any more"}])
    vote(rita, "approve")
    call = only_call()
    assert (call.status, call.reason) == ("refused", "denied_by_policy")
    assert "Not any more" in call.detail
    assert not IdempotencyKey.objects.exists()
    assert Approval.objects.get().used_at is None


def test_a_budget_that_is_spent_meanwhile_refuses_the_approved_call(
    tool: Tool, post: Post, rita: User, team: Team
) -> None:
    make_policy("ask", asking())
    post()
    make_budget("empty", team, "0")
    vote(rita, "approve")
    assert only_call().reason == "budget_exhausted"


def test_a_limit_that_came_down_narrows_the_approved_call(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", asking())
    post()
    make_policy("time", [{"name": "time", "limit": {"timeout": 9}, "message": "9 s"}])
    vote(rita, "approve")
    call = only_call()
    assert call.status == "succeeded"
    assert call.limits["timeout"] == 9


def test_a_stricter_rule_asks_again(
    tool: Tool, post: Post, rita: User, platform_team: Team, root: User
) -> None:
    make_policy("ask", asking())
    post()
    make_policy("also", asking(reviewers={"role": "platform"}))
    vote(rita, "approve")
    call = only_call()
    assert call.status == "awaiting_approval"
    assert Approval.objects.filter(status="open").count() == 1


def test_arguments_that_were_changed_in_the_row_are_not_what_was_approved(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", asking())
    post()
    payload = only_call().payload
    payload.arguments = payload.arguments | {"code": "print('other')"}
    payload.save()
    vote(rita, "approve")
    assert only_call().reason == "denied_by_policy"


def test_an_agent_that_was_suspended_meanwhile_runs_nothing(
    agent: Agent, tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", asking())
    post()
    agent.is_active = False
    agent.save()
    vote(rita, "approve")
    assert only_call().reason == "suspended"


def test_a_question_that_nobody_could_answer_is_a_refusal(tool: Tool, post: Post) -> None:
    policy = make_policy("ask", asking(reviewers={"users": ["nobody_here"]}))
    assert policies.enforced()
    response = post()
    assert (response.status_code, response.json()["reason"]) == (403, "denied_by_policy")
    assert policy.name


def test_the_agent_waits_by_polling_its_call(tool: Tool, post: Post, key: str) -> None:
    make_policy("ask", asking())
    place = post()["Location"]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    pending = client.get(place + "?wait=30")
    assert pending["X-Gatehouse-Wait"] == "pending"
    root = factories.make_user("root", role="platform")
    factories.make_user("rita", role="reviewer")
    assert root
    rita = User.objects.get(username="rita")
    vote(rita, "approve")
    ended = client.get(place)
    assert "X-Gatehouse-Wait" not in ended
    assert ended.json()["status"] == "succeeded"
