"""Tool calls: one path from a request to its answer, for every door.

    invoke(request) = settle(execute(admit(request)))

Each step takes the value that the step before returns. `admit` and `settle` are one transaction
each; the executor runs between them, outside of any.
"""

from kernel import clock
from kernel.actor import acting

from orchestration.calls.admission import admit
from orchestration.calls.execution import execute
from orchestration.calls.outcomes import REASONS, Parked, Refused, Repeated
from orchestration.calls.recovery import recover
from orchestration.calls.rendering import render
from orchestration.calls.request import CallRequest
from orchestration.calls.resumption import resume
from orchestration.calls.settlement import settle
from orchestration.models import ToolCall

__all__ = [
    "REASONS",
    "CallRequest",
    "Parked",
    "Refused",
    "Repeated",
    "invoke",
    "recover",
    "render",
    "resume",
]


def invoke(request: CallRequest) -> ToolCall:
    """Run one call through the whole path and return its row, ended.

    Raises Refused, Parked and Repeated, each with the call; registry.publishing.UnknownTool, which
    leaves no row.
    """
    with clock.operation(), acting(request.actor):
        return settle(execute(admit(request)))
