"""Calls of tools in tests, through the one path."""

from typing import Any

from orchestration import calls
from orchestration.calls.request import CallRequest
from orchestration.models import ToolCall
from registry.models import Agent

ANYTHING: dict[str, Any] = {"type": "object", "additionalProperties": True}


def call(agent: Agent, tool: str, /, **arguments: Any) -> ToolCall:
    """The ended call of a tool."""
    request = CallRequest(tool=tool, arguments=arguments, actor=agent.actor, agent=agent)
    return calls.invoke(request)


def value(found: ToolCall) -> Any:
    """The result of a call that succeeded."""
    assert found.status == "succeeded", found.payload.error
    return found.payload.result


def fault(found: ToolCall) -> str:
    """The reason of a call that failed."""
    assert found.status == "failed", (found.status, found.payload.result)
    return str(found.payload.error["reason"])
