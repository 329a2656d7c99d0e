from orchestration.models.calls import IdempotencyKey, ToolCall, ToolCallPayload
from orchestration.models.examples import ExampleRun
from orchestration.models.resilience import CachedResult, CircuitBreaker, LargeResult
from orchestration.models.runs import RunEvent, Step, WorkflowRun
from orchestration.models.tasks import AgentTask
from orchestration.models.workflows import Workflow, WorkflowVersion

__all__ = [
    "AgentTask",
    "CachedResult",
    "CircuitBreaker",
    "ExampleRun",
    "IdempotencyKey",
    "LargeResult",
    "RunEvent",
    "Step",
    "ToolCall",
    "ToolCallPayload",
    "Workflow",
    "WorkflowRun",
    "WorkflowVersion",
]
