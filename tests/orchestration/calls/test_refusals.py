"""Each "no" of the closed list: its status, its sentence, the row that it leaves, and its key."""

from datetime import timedelta
from typing import Any

import pytest
from kernel import clock
from rest_framework.test import APIClient

from governance.models import AuditEvent, LedgerEntry
from orchestration.calls import REASONS
from orchestration.executors import table
from orchestration.executors.invocation import ExecutorUnavailable
from orchestration.models import IdempotencyKey, ToolCall
from registry.models import Agent, Team, Tool
from tests import factories
from tests.governance.rows import make_policy
from tests.orchestration.calls.conftest import Post
from tests.orchestration.calls.rows import make_budget

pytestmark = pytest.mark.django_db


def refused(response: Any, reason: str) -> dict[str, Any]:
    """The problem document of a refusal, checked for what all of them have."""
    assert response.status_code == REASONS[reason][0], response.content
    assert response["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["reason"] == reason
    assert body["type"].endswith(reason)
    assert body["detail"]
    return body


def left(body: dict[str, Any], reason: str) -> ToolCall:
    """The row that the refusal left, with its audit line and without cost."""
    call: ToolCall = ToolCall.objects.get(id=body["call"])
    assert (call.status, call.reason, call.effect) == ("refused", reason, "deny")
    assert call.detail == body["detail"]
    assert call.finished_at is not None
    assert call.lease_until is None
    line = AuditEvent.objects.get(event="tool_call.refused", target_id=str(call.id))
    assert line.data["reason"] == reason
    assert not LedgerEntry.objects.exists()
    return call


def test_a_stranger_is_unauthenticated_and_leaves_no_row(tool: Tool, post: Post) -> None:
    response = APIClient().post("/api/v1/tools/execute_python/call/", {}, format="json")
    refused(response, "unauthenticated")
    assert refused(post(who="gh_0123456789ab_nonsense"), "unauthenticated")
    assert not ToolCall.objects.exists()
    assert AuditEvent.objects.filter(data__reason="unauthenticated").count() == 1


def test_an_unknown_tool_leaves_no_row_and_one_line(tool: Tool, post: Post) -> None:
    for _ in range(3):
        refused(post(name="no_such_tool"), "unknown_tool")
    assert not ToolCall.objects.exists()
    assert AuditEvent.objects.filter(event="tool_call.unknown_tool").count() == 1


def test_an_unknown_version_is_an_unknown_tool(tool: Tool, post: Post) -> None:
    assert "1.0" in refused(post(version="9.9"), "unknown_tool")["detail"]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"code": 5}, "/code"),
        ({"timeout": "soon"}, "/timeout"),
        ({"timeout": -5}, "/timeout"),
        ({"surprise": 1}, ""),
        ({"code": "print('a\u0000b')"}, "/code"),
        ({"packages": ["numpy", 7]}, "/packages/1"),
    ],
)
def test_arguments_that_dont_fit_name_the_place(
    tool: Tool, post: Post, more: dict[str, Any], pointer: str
) -> None:
    body = refused(post(more=more), "invalid_arguments")
    assert pointer in [issue["pointer"] for issue in body["errors"]]
    left(body, "invalid_arguments")


def test_numbers_and_texts_that_json_cannot_hold_are_refused(key: str, tool: Tool) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    for text in ('{"arguments": {"code": "\\ud800"}}', '{"arguments": {"code": "", "x": 1e999}}'):
        response = client.post(
            "/api/v1/tools/execute_python/call/", text, content_type="application/json"
        )
        refused(response, "invalid_arguments")
    deep = '{"arguments": {"code": ' + "[" * 100_000 + "]" * 100_000 + "}}"
    response = client.post(
        "/api/v1/tools/execute_python/call/", deep, content_type="application/json"
    )
    assert 400 <= response.status_code < 500


def test_large_arguments_of_a_refusal_are_not_kept(tool: Tool, post: Post) -> None:
    body = refused(post("#" * 1_000_000, more={"surprise": 1}), "invalid_arguments")
    kept = left(body, "invalid_arguments").payload.arguments
    assert kept["omitted"]["bytes"] > 1_000_000


def test_an_agent_without_the_permission_is_refused(agent: Agent, post: Post) -> None:
    factories.make_tool(permissions=("code_execution",))
    body = refused(post(), "permission_missing")
    assert "code_execution" in body["detail"]
    left(body, "permission_missing")


def test_a_grant_that_ended_is_none(agent: Agent, post: Post) -> None:
    factories.make_tool(permissions=("code_execution",))
    now = clock.now()
    factories.grant(
        agent,
        "code_execution",
        starts_at=now - timedelta(days=2),
        ends_at=now - timedelta(days=1),
    )
    refused(post(), "permission_missing")


def test_what_policy_denies_is_refused_with_its_message(tool: Tool, post: Post) -> None:
    rule = {"name": "no", "deny": True, "when": "arguments.timeout > 5", "message": "Too long"}
    make_policy("short", [rule])
    body = refused(post(), "denied_by_policy")
    assert "Too long" in body["detail"]
    call = left(body, "denied_by_policy")
    assert call.explanation[0]["policy"] == "short"
    assert post(more={"timeout": 5}).status_code == 200


def test_a_package_off_the_allow_list_is_refused(tool: Tool, post: Post) -> None:
    body = refused(post(more={"packages": ["leftpad"]}), "denied_by_policy")
    assert body["errors"][0]["pointer"] == "/packages/0"
    assert "leftpad" in body["detail"]


def test_text_that_is_no_requirement_is_invalid(tool: Tool, post: Post) -> None:
    body = refused(post(more={"packages": ["--index-url=x"]}), "invalid_arguments")
    assert body["errors"][0]["pointer"] == "/packages/0"


def test_a_spent_budget_is_named(tool: Tool, post: Post, team: Team) -> None:
    make_budget("search_q3", team, "0.015")
    assert post().status_code == 200
    response = post(idempotency_key="later")
    assert response.status_code == 402
    body = response.json()
    assert body["budget"]["name"] == "search_q3"
    assert "Ask its owner, team *search*, to raise it." in body["detail"]
    call = ToolCall.objects.get(id=body["call"])
    assert (call.status, call.reason) == ("refused", "budget_exhausted")
    assert LedgerEntry.objects.count() == 1
    assert not IdempotencyKey.objects.exists()


def test_a_refusal_without_effect_does_not_use_up_its_key(agent: Agent, post: Post) -> None:
    factories.make_tool(permissions=("code_execution",))
    refused(post(idempotency_key="one"), "permission_missing")
    factories.grant(agent, "code_execution")
    assert post(idempotency_key="one").status_code == 200
    assert ToolCall.objects.count() == 2


def test_a_tool_past_its_sunset_is_gone(tool: Tool, post: Post) -> None:
    tool.replacement = factories.make_tool("run_code")
    tool.sunset_at = clock.now() - timedelta(days=1)
    tool.save()
    body = refused(post(), "tool_sunset")
    assert "run_code" in body["detail"]
    left(body, "tool_sunset")


def test_a_deprecated_tool_says_so_in_its_headers(tool: Tool, post: Post) -> None:
    tool.replacement = factories.make_tool("run_code")
    tool.deprecated = True
    tool.sunset_at = clock.now() + timedelta(days=30)
    tool.save()
    response = post()
    assert response.status_code == 200
    assert response["Deprecation"].startswith("@")
    assert response["Sunset"].endswith("GMT")
    assert 'rel="successor-version"' in response["Link"]


def test_a_suspended_agent_is_refused(agent: Agent, tool: Tool, post: Post) -> None:
    agent.is_active = False
    agent.save()
    left(refused(post(), "suspended"), "suspended")


def test_another_request_with_the_same_key_is_refused(tool: Tool, post: Post) -> None:
    first = post("print(1)", idempotency_key="k").json()
    body = refused(post("print(2)", idempotency_key="k"), "key_reused")
    assert body["recorded_call"] == first["id"]
    assert ToolCall.objects.get(id=body["call"]).status == "refused"


def test_without_a_sandbox_nothing_runs_and_nothing_is_paid(
    tool: Tool, post: Post, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = make_budget("search_q3", team, "1")

    def gone(invocation: object) -> None:
        raise ExecutorUnavailable("bubblewrap isn't installed. Install it.")

    monkeypatch.setitem(table.EXECUTORS, "python", gone)
    response = post(idempotency_key="k")
    body = refused(response, "unavailable")
    assert response["Retry-After"]
    call = ToolCall.objects.get(id=body["call"])
    assert (call.status, call.cost_micros) == ("refused", 0)
    account = budget.accounts.get()
    assert (account.spent_micros, account.held_micros) == (0, 0)
    monkeypatch.undo()
    assert post(idempotency_key="k").json()["status"] == "succeeded"


def test_a_caller_cannot_promote_itself_to_production(agent: Agent, tool: Tool, post: Post) -> None:
    body = refused(post(environment="production"), "denied_by_policy")
    assert "staging" in body["detail"]
    agent.environment = "production"
    agent.save()
    assert post(environment="staging").json()["environment"] == "staging"
    assert post().json()["environment"] == "production"
    refused(post(environment="moon"), "invalid_arguments")


def test_a_run_needs_a_live_task_of_it(tool: Tool, post: Post) -> None:
    body = refused(post(run="018f0000-0000-7000-8000-000000000000"), "denied_by_policy")
    assert "task" in body["detail"]
    assert ToolCall.objects.get(id=body["call"]).run_id is None


def test_every_reason_has_a_status() -> None:
    statuses = {reason: status for reason, (status, _) in REASONS.items()}
    assert statuses == {
        "unauthenticated": 401,
        "unknown_tool": 404,
        "invalid_arguments": 422,
        "permission_missing": 403,
        "denied_by_policy": 403,
        "budget_exhausted": 402,
        "rate_limited": 429,
        "tool_sunset": 410,
        "quarantined": 409,
        "key_reused": 409,
        "suspended": 403,
        "unavailable": 503,
    }
