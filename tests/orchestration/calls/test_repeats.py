"""Idempotency keys: the same request with the same key runs once."""

from datetime import timedelta

import pytest
from kernel import clock

from governance.models import LedgerEntry
from orchestration import calls
from orchestration.models import ToolCall
from registry.models import Agent, Tool
from tests import factories
from tests.orchestration.calls.conftest import Post

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_a_repeated_call_runs_once_and_gives_the_recorded_answer(tool: Tool, post: Post) -> None:
    code = "import uuid; print(uuid.uuid4())"
    first = post(code, idempotency_key="k").json()
    second = post(code, idempotency_key="k")
    assert second.status_code == 200
    assert second.json()["result"] == first["result"]
    assert second.json()["id"] == first["id"]
    assert ToolCall.objects.count() == 1
    assert LedgerEntry.objects.count() == 1


def test_the_header_is_a_key_too(tool: Tool, post: Post, key: str) -> None:
    from rest_framework.test import APIClient  # noqa: PLC0415

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_IDEMPOTENCY_KEY="k")
    for _ in range(2):
        client.post(
            "/api/v1/tools/execute_python/call/", {"arguments": {"code": "1"}}, format="json"
        )
    assert ToolCall.objects.count() == 1


def test_a_key_that_is_too_long_is_refused_whichever_way_it_comes(tool: Tool, key: str) -> None:
    from rest_framework.test import APIClient  # noqa: PLC0415

    path, body = "/api/v1/tools/execute_python/call/", {"arguments": {"code": "1"}}
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    long = client.post(path, body | {"idempotency_key": "k" * 201}, format="json")
    assert long.status_code == 400
    headed = client.post(path, body, format="json", headers={"Idempotency-Key": "k" * 201})
    assert headed.status_code == 422
    assert not ToolCall.objects.exists()


def test_another_agents_same_key_is_another_key(
    tool: Tool, post: Post, other_agent: Agent, other_key: str
) -> None:
    factories.grant(other_agent, "code_execution")
    post(idempotency_key="k")
    assert post(idempotency_key="k", who=other_key).status_code == 200
    assert ToolCall.objects.count() == 2


def test_without_a_key_each_call_is_its_own(tool: Tool, post: Post) -> None:
    post()
    post()
    assert ToolCall.objects.count() == 2


def _lose() -> None:
    ToolCall.objects.update(status="running", lease_until=clock.now() - timedelta(seconds=1))
    assert calls.recover() == 1


def test_a_lost_call_of_an_idempotent_tool_is_tried_again_under_its_key(
    agent: Agent, post: Post
) -> None:
    factories.make_tool(idempotent=True)
    first = post(idempotency_key="k").json()
    _lose()
    second = post(idempotency_key="k").json()
    assert second["id"] != first["id"]
    assert second["status"] == "succeeded"
    assert post(idempotency_key="k").json()["id"] == second["id"]


def test_a_lost_call_of_any_other_tool_stays_lost(tool: Tool, post: Post) -> None:
    first = post(idempotency_key="k").json()
    _lose()
    second = post(idempotency_key="k").json()
    assert (second["id"], second["status"]) == (first["id"], "lost")
