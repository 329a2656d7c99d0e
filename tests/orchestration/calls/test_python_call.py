"""The article's `execute_python`, called by an agent through the REST door."""

import pytest

from governance.models import Account, AuditEvent, LedgerEntry
from governance.models.budgets import Hold
from orchestration.models import ToolCall
from registry.models import Agent, Team, Tool
from tests.governance.rows import make_policy
from tests.orchestration.calls.conftest import Post
from tests.orchestration.calls.rows import make_budget

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_code_runs_in_the_sandbox_and_its_output_comes_back(tool: Tool, post: Post) -> None:
    response = post("print(6 * 7)")
    assert response.status_code == 200, response.content
    body = response.json()
    assert body["status"] == "succeeded"
    assert body["result"]["stdout"] == "42\n"
    assert body["result"]["exit_code"] == 0
    assert body["arguments"]["timeout"] == 30
    assert body["verdict"]["effect"] == "allow"
    assert body["enforcement"]["network"] == "none"
    assert AuditEvent.objects.filter(event="tool_call.succeeded").count() == 1


def test_what_it_costs_goes_to_the_ledger_and_the_hold_is_closed(
    tool: Tool, post: Post, team: Team
) -> None:
    make_budget("search_month", team, "1.00")
    assert post().json()["cost"] == "0.01"
    assert LedgerEntry.objects.get().amount_micros == 10_000
    account = Account.objects.get()
    assert (account.spent_micros, account.held_micros) == (10_000, 0)
    assert Hold.objects.get().status == "settled"


def test_a_timeout_over_the_limit_is_clamped_and_the_verdict_says_so(
    tool: Tool, post: Post
) -> None:
    make_policy("limits", [{"name": "time", "limit": {"timeout": 20}, "message": "20 s"}])
    body = post(more={"timeout": 60}).json()
    assert body["arguments"]["timeout"] == 20
    assert body["verdict"]["limits"]["timeout"] == 20
    assert body["verdict"]["limits"]["clamped"] == {"timeout": {"asked": 60, "given": 20}}
    assert [line["policy"] for line in body["verdict"]["explanation"]] == ["limits"]


def test_a_timeout_below_the_limit_holds_as_it_was_asked_for(tool: Tool, post: Post) -> None:
    body = post("import time; time.sleep(20)", more={"timeout": 1}).json()
    assert body["status"] == "timed_out"
    assert body["verdict"]["limits"]["timeout"] == 1
    assert body["error"]["reason"] == "timed_out"
    assert body["finished_at"] > body["started_at"]


def test_code_that_fails_is_a_failed_call_with_its_output(tool: Tool, post: Post) -> None:
    response = post("print('so far'); raise SystemExit(3)")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "failed")
    assert body["result"]["exit_code"] == 3
    assert body["result"]["stdout"] == "so far\n"
    assert body["error"]["reason"] == "exit_code"
    assert body["cost"] == "0.01"


@pytest.mark.parametrize("reason", ["memory_exceeded", "output_exceeded"])
def test_a_limit_that_is_met_is_told(tool: Tool, post: Post, reason: str) -> None:
    code = {
        "memory_exceeded": "x = bytearray(1 << 30)",
        "output_exceeded": "while True: print('x' * 10_000)",
    }[reason]
    body = post(code).json()
    if reason == "memory_exceeded" and body["enforcement"]["memory"] == "rlimit":
        reason = "exit_code"
    assert (body["status"], body["error"]["reason"]) == ("failed", reason)


def test_output_that_no_database_can_hold_is_kept_readable(tool: Tool, post: Post) -> None:
    code = r"import sys; sys.stdout.buffer.write(b'a\x00b\xff\xed\xa0\x80')"
    body = post(code).json()
    assert body["status"] == "succeeded"
    assert body["result"]["stdout"].startswith("a\ufffdb\ufffd")


def test_a_bug_in_an_executor_is_a_failed_call_and_no_stuck_row(
    tool: Tool, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.executors import table  # noqa: PLC0415

    def broken(invocation: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setitem(table.EXECUTORS, "python", broken)
    body = post().json()
    assert body["status"] == "failed"
    assert body["error"] == {"reason": "executor_error", "message": "ZeroDivisionError: oh"}


def test_a_result_unlike_the_contract_is_a_failure(agent: Agent, post: Post) -> None:
    schema = {"type": "object", "required": ["answer"]}
    factories_tool = {"result_schema": schema}
    from tests import factories  # noqa: PLC0415

    factories.make_tool(**factories_tool)
    body = post().json()
    assert (body["status"], body["error"]["reason"]) == ("failed", "result_invalid")
    assert ToolCall.objects.get().status == "failed"


def test_what_policy_redacts_is_neither_kept_nor_returned(tool: Tool, post: Post) -> None:
    make_policy(
        "quiet",
        [
            {
                "name": "mask",
                "redact": {"arguments": ["/code"], "results": ["/stdout"]},
                "message": "quiet",
            }
        ],
    )
    body = post("print('secret')").json()
    assert body["status"] == "succeeded"
    assert body["arguments"]["code"] == "[redacted]"
    assert body["result"]["stdout"] == "[redacted]"
    assert "secret" not in str(ToolCall.objects.get().payload.arguments)
