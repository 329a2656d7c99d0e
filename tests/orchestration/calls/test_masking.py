"""What policy masks is nowhere to be read: not in rows, answers, approvals or the audit log; and a
call that waits for people still runs with what it was asked with."""

from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from governance import approvals
from orchestration import calls
from orchestration.models import ToolCall, ToolCallPayload
from registry.models import Tool, User
from tests import factories
from tests.governance.rows import make_policy
from tests.orchestration.calls.conftest import Post
from tests.orchestration.calls.rows import asking, only_call, open_approval

pytestmark = pytest.mark.django_db

MAIL = "mallory@example.com"
CODE = f"print('{MAIL}')"
BY_PATTERN = [{"name": "mails", "redact": {"patterns": ["email"]}, "message": "No addresses"}]
BY_PLACE = [
    {"name": "code", "redact": {"arguments": ["/code"]}, "message": "No code"},
    {"name": "told", "audit": {"arguments": ["code"]}, "message": "Log the code"},
]


def stored(text: str) -> list[str]:
    """The tables in which the text stands."""
    found = []
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            if text in str(cursor.fetchall()):
                found.append(table)
    return found


def test_a_pattern_is_masked_and_counted_on_both_sides(tool: Tool, post: Post) -> None:
    make_policy("mails", BY_PATTERN)
    body = post(CODE).json()
    assert body["status"] == "succeeded"
    assert body["arguments"]["code"] == "print('[redacted:email]')"
    assert body["result"]["stdout"] == "[redacted:email]\n"
    assert body["masked"] == {"arguments": {"email": 1}, "results": {"email": 1}}
    assert MAIL not in str(body)
    assert stored(MAIL) == []


def test_what_is_masked_of_the_arguments_isnt_repeated_by_log_or_error(
    tool: Tool, post: Post
) -> None:
    make_policy("code", BY_PLACE)
    body = post("raise SystemExit(3)  # mallory").json()
    assert body["arguments"]["code"] == "[redacted]"
    assert stored("mallory") == []


def test_arguments_that_dont_fit_are_masked_though_nobody_judged_them(
    tool: Tool, post: Post
) -> None:
    make_policy("mails", BY_PATTERN)
    answer = post(CODE, more={"timeout": MAIL, MAIL: 1})
    assert answer.status_code == 422
    assert MAIL not in answer.content.decode()
    assert stored(MAIL) == []
    assert only_call().masked == {"arguments": {"email": 3}}


def test_a_refused_call_is_masked(tool: Tool, post: Post) -> None:
    make_policy("no", [*BY_PATTERN, {"name": "no", "deny": True, "message": "No"}])
    assert post(CODE).status_code == 403
    assert stored(MAIL) == []


def test_a_parked_call_is_masked_while_it_waits_and_runs_with_what_it_was_asked(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", [*asking(), *BY_PATTERN])
    parked = post(f"print({MAIL!r}.upper())").json()
    assert stored(MAIL) == []
    approval = open_approval()
    assert approval.shown["arguments"]["code"] == "print('[redacted:email]'.upper())"
    assert approval.shown["masked"] == {"email": 1}
    row = ToolCallPayload.objects.get()
    assert row.sealed and MAIL not in row.sealed
    approvals.vote(approval.id, by=rita, decision="approve", comment="")
    calls.resume(approval.id)
    call = only_call()
    assert (str(call.id), call.status) == (parked["id"], "succeeded")
    assert call.payload.result["stdout"] == "[redacted:email]\n"
    assert call.payload.sealed == ""
    assert stored(MAIL) == []


def test_what_was_kept_for_later_is_deleted_when_people_say_no(
    tool: Tool, post: Post, rita: User
) -> None:
    make_policy("ask", [*asking(), *BY_PATTERN])
    post(CODE)
    approval = open_approval()
    approvals.vote(approval.id, by=rita, decision="reject", comment="no")
    calls.resume(approval.id)
    assert ToolCallPayload.objects.get().sealed == ""


def test_a_parked_call_without_masks_keeps_nothing_twice(tool: Tool, post: Post) -> None:
    make_policy("ask", asking())
    post(CODE)
    assert ToolCallPayload.objects.get().sealed == ""


def test_the_counts_are_on_the_calls_page(tool: Tool, post: Post, root: User) -> None:
    make_policy("mails", BY_PATTERN)
    post(CODE)
    client = APIClient()
    client.force_login(root)
    page = client.get(f"/admin/orchestration/toolcall/{ToolCall.objects.get().id}/change/")
    assert "email (1)" in page.content.decode()
    assert MAIL not in page.content.decode()


def test_a_policy_that_masks_in_one_side_leaves_the_other(tool: Tool, post: Post) -> None:
    rule: dict[str, Any] = {"redact": {"patterns": ["email"], "in": ["results"]}}
    make_policy("mails", [rule | {"name": "mails", "message": "No addresses"}])
    body = post(CODE).json()
    assert body["arguments"]["code"] == CODE
    assert body["masked"] == {"results": {"email": 1}}


def test_without_a_policy_nothing_is_masked(tool: Tool, post: Post) -> None:
    factories.make_tool("other")
    body = post(CODE).json()
    assert body["result"]["stdout"] == f"{MAIL}\n"
    assert body["masked"] == {}
