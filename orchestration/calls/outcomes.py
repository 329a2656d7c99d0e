"""The closed list of reasons for a "no", and the three answers that are no execution."""

from collections.abc import Mapping
from typing import Any

from kernel.problems import Issue, Problem

from orchestration.models import ToolCall

REASONS: Mapping[str, tuple[int, str]] = {
    "unauthenticated": (401, "Unauthenticated"),
    "unknown_tool": (404, "Unknown tool"),
    "invalid_arguments": (422, "The arguments don't fit"),
    "permission_missing": (403, "A permission is missing"),
    "denied_by_policy": (403, "Denied by policy"),
    "budget_exhausted": (402, "The budget is spent"),
    "rate_limited": (429, "Too many calls"),
    "tool_sunset": (410, "The tool is gone"),
    "quarantined": (409, "The tool is quarantined"),
    "key_reused": (409, "The idempotency key was used for another request"),
    "suspended": (403, "The agent is suspended"),
    "unavailable": (503, "Unavailable"),
}
RETRY_SECONDS = 5


class No(Exception):
    """A "no" on its way to the row: one of REASONS, and a sentence for people."""

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        errors: tuple[Issue, ...] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is no reason; known: {', '.join(REASONS)}")
        super().__init__(detail)
        self.reason, self.detail, self.errors = reason, detail, errors
        self.extra = dict(extra or {})


class Refused(Problem):
    """The call was refused, and its row says so."""

    def __init__(self, call: ToolCall, no: No) -> None:
        headers = _headers(no)
        verdict = {"effect": call.effect, "explanation": call.explanation}
        extra = {"call": str(call.id), "verdict": verdict} | no.extra
        super().__init__(no.detail, errors=no.errors, extra=extra, headers=headers)
        self.status, self.title = REASONS[no.reason]
        self.reason = no.reason
        self.call = call

    @classmethod
    def of(cls, call: ToolCall) -> "Refused":
        """The refusal that a recorded call stands for."""
        return cls(call, No(call.reason, call.detail))


def _headers(no: No) -> dict[str, str]:
    if "retry_after" in no.extra:
        return {"Retry-After": str(no.extra["retry_after"])}
    return {"Retry-After": str(RETRY_SECONDS)} if no.reason == "unavailable" else {}


class Parked(Exception):
    """The call waits for people; `call.approval` is what they are asked."""

    def __init__(self, call: ToolCall) -> None:
        super().__init__(f"Call {call.id} awaits approval.")
        self.call = call


class Repeated(Exception):
    """The same key asked the same before: `call` is what is recorded, ended or not."""

    def __init__(self, call: ToolCall) -> None:
        super().__init__(f"Call {call.id} was asked for before.")
        self.call = call
