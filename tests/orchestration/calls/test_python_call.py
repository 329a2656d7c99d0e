"""The article's `execute_python`, called by an agent through the REST door."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from governance.models import AuditEvent
from orchestration.models import ToolCall
from registry.models import Agent
from tests import factories

pytestmark = pytest.mark.django_db

Client = Callable[[object], APIClient]
URL = "/api/v1/tools/execute_python/call/"


def test_code_runs_in_the_sandbox_and_its_output_comes_back(
    api: Client, agent: Agent, key: str
) -> None:
    factories.make_tool(permissions=("code_execution",))
    factories.grant(agent, "code_execution")
    response = api(key).post(URL, {"arguments": {"code": "print(6 * 7)"}}, format="json")
    assert response.status_code == 200, response.content
    body = response.json()
    assert body["status"] == "succeeded"
    assert body["result"]["stdout"] == "42\n"
    assert body["result"]["exit_code"] == 0
    assert body["cost"] == "0.01"
    assert body["arguments"]["timeout"] == 30
    assert body["verdict"]["effect"] == "allow"
    assert body["enforcement"]["network"] == "none"
    assert ToolCall.objects.get().status == "succeeded"
    assert AuditEvent.objects.filter(event="tool_call.succeeded").count() == 1
