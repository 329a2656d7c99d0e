"""A tool call as JSON."""

from datetime import datetime
from typing import Any

from orchestration.calls import limits
from orchestration.models import ToolCall
from orchestration.models.calls import ENDED


def render(call: ToolCall) -> dict[str, Any]:
    """The call as the API shows it. Reads `payload` and `approval`: select them with the row."""
    return summary(call) | {
        "arguments": call.payload.arguments,
        "result": call.payload.result,
        "error": call.payload.error,
        "verdict": {
            "effect": call.effect,
            "limits": limits.shown(call.limits),
            "explanation": call.explanation,
        },
        "enforcement": call.enforcement,
        "masked": call.masked,
    }


def summary(call: ToolCall) -> dict[str, Any]:
    """The call without its payload, as lists show it."""
    return {
        "id": str(call.id),
        "tool": call.tool_name,
        "version": call.version,
        "selector": call.selector,
        "agent": call.agent_name,
        "environment": call.environment,
        "status": str(call.status),
        "reason": call.reason,
        "detail": call.detail,
        "approval": _approval(call),
        "cost": call.cost,
        "attempts": call.attempts,
        "cached_from": str(call.cached_from) if call.cached_from else None,
        "masked": call.masked,
        "run": str(call.run_id) if call.run_id else None,
        "step": str(call.step_id) if call.step_id else None,
        "task": str(call.task_id) if call.task_id else None,
        "created_at": _time(call.created_at),
        "started_at": _time(call.started_at),
        "finished_at": _time(call.finished_at),
        "url": url(call),
    }


def url(call: ToolCall) -> str:
    return f"/api/v1/tool-calls/{call.id}/"


def has_ended(call: ToolCall) -> bool:
    return call.status in ENDED


def _approval(call: ToolCall) -> dict[str, Any] | None:
    if call.approval is None:
        return None
    return {
        "id": str(call.approval_id),
        "status": call.approval.status,
        "url": f"/api/v1/approvals/{call.approval_id}/",
        "page": f"/approvals/{call.approval_id}/",
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
