"""Tool steps: the workflow's own calls, made through the same pipeline as every call.

At most one call takes effect per attempt: its idempotency key is the step and the number of its
calls that have ended, so that a process which comes back late repeats a call instead of making one.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from kernel import clock, crash, outbox
from kernel.models import Outbox
from kernel.partial import among
from kernel.problems import Problem

from orchestration import calls, fitness, journal, steps
from orchestration.calls import CallRequest, Parked, Refused, Repeated
from orchestration.definitions import ToolNode
from orchestration.fitness import AgentUnfit
from orchestration.journal import ADVANCE, Journal
from orchestration.models import Step, ToolCall, WorkflowRun
from orchestration.models.calls import ENDED, CallStatus
from orchestration.models.runs import RUN_LIVE, StepStatus
from registry.contracts import Contract
from registry.models import Agent

TOPIC = "step.run"
LEASE = timedelta(seconds=60)
BATCH = 500
PASSING = {"unavailable", "rate_limited"}


@dataclass(frozen=True)
class Order:
    """A claimed tool step: what to call, and the token that its result must bear."""

    step: Step
    token: int
    request: CallRequest


def order(step: Step) -> None:
    """Have a worker of the calls' pool make the call."""
    outbox.put(TOPIC, step.id)


def claim(step_id: UUID) -> Order | None:
    """Take the ready step on, unless somebody has or its run is over."""
    step = Step.objects.filter(id=step_id, status=StepStatus.READY).first()
    if step is None:
        return None
    with journal.opened(step.run_id) as opened:
        node = opened.definition.node(step.name)
        if opened.is_over or not isinstance(node, ToolNode):
            return None
        lease = opened.now + LEASE
        if not steps.claim(opened, step, node, step.token, lease_until=lease):
            return None
        outbox.drop(TOPIC, step.id)
        try:
            agent = fitness.agent_for(opened, node.agent)
        except AgentUnfit as problem:
            error = {"reason": problem.reason, "message": problem.detail}
            steps.fail(opened, step, node, step.token, error, retryable=False)
            return None
        return Order(step, step.token, _request(opened, step, node, agent))


def _request(opened: Journal, step: Step, node: ToolNode, agent: Agent) -> CallRequest:
    run = opened.run
    number = ToolCall.objects.filter(step_id=step.id, status__in=ENDED).count()
    return CallRequest(
        tool=node.tool,
        version=node.version,
        arguments=dict(step.input or {}),
        actor=replace(
            agent.actor,
            teams=agent.actor.teams | {run.team_id},
            on_behalf_of=opened.starter.reference,
        ),
        agent=agent,
        run_id=run.id,
        step_id=step.id,
        idempotency_key=f"step:{step.id}:{number}",
    )


def make(order: Order) -> None:
    """Make the call, outside of any transaction, and give the step its outcome."""
    refusal: Problem | None = None
    try:
        calls.invoke(order.request)
    except (Refused, Parked, Repeated) as answer:
        refusal = answer if isinstance(answer, Refused) else None
    except Problem as problem:
        refusal = problem
    crash.point("call.made")
    with journal.opened(order.step.run_id) as opened:
        step = Step.objects.get(id=order.step.id)
        if step.token != order.token or opened.is_over:
            opened.record("stale_result", step, token=order.token)
        elif refusal is not None:
            _refused(opened, step, refusal)
        else:
            absorb_step(opened, step)


def _refused(opened: Journal, step: Step, refusal: Problem) -> None:
    call = getattr(refusal, "call", None)
    error = {"reason": refusal.reason, "message": refusal.detail}
    if call is not None:
        error["call"] = str(call.id)
    node = opened.definition.node(step.name)
    steps.fail(opened, step, node, step.token, error, retryable=refusal.reason in PASSING)


def absorb(opened: Journal, rows: dict[str, Step]) -> None:
    """Give every tool step under way the outcome of its call, where there is one."""
    for step in rows.values():
        if step.kind == "tool" and step.status in (StepStatus.RUNNING, StepStatus.WAITING):
            absorb_step(opened, step)


def absorb_step(opened: Journal, step: Step) -> None:
    """The call's outcome becomes the step's. A step whose worker died before it called is tried
    again; a call that was lost is too, if its tool says that this does no harm."""
    node = opened.definition.node(step.name)
    call = _call(step)
    if call is None:
        if step.lease_until is not None and step.lease_until <= opened.now:
            error = {"reason": "lost", "message": "its worker stopped before it called the tool"}
            steps.lose(opened, step, node, step.token, error)
    elif call.status == CallStatus.AWAITING_APPROVAL:
        if step.status == StepStatus.RUNNING:
            steps.wait(opened, step, step.token, call=str(call.id), approval=str(call.approval_id))
    elif call.status == CallStatus.SUCCEEDED:
        steps.succeed(opened, step, step.token, call.payload.result)
    elif call.status in ENDED:
        _failed(opened, step, call)


def _call(step: Step) -> ToolCall | None:
    """The call of this attempt; the one that an earlier attempt ended with doesn't count."""
    latest = ToolCall.objects.select_related("payload", "tool_version").filter(step_id=step.id)
    call: ToolCall | None = latest.order_by("-id").first()
    if call is not None and (step.error or {}).get("call") == str(call.id):
        return None
    return call


def _failed(opened: Journal, step: Step, call: ToolCall) -> None:
    node = opened.definition.node(step.name)
    harmless = bool(Contract.of(call.tool_version).document.get("idempotent"))
    error = _error(call)
    if call.status == CallStatus.LOST:
        steps.lose(opened, step, node, step.token, error, retryable=harmless)
    else:
        retryable = harmless and call.status in (CallStatus.FAILED, CallStatus.TIMED_OUT)
        steps.fail(opened, step, node, step.token, error, retryable=retryable)


def _error(call: ToolCall) -> dict[str, Any]:
    said = call.payload.error if isinstance(call.payload.error, dict) else {}
    message = said.get("message") or call.detail or f"the call {call.status}"
    reason = said.get("reason") or call.reason or call.status
    return {"reason": str(reason), "message": f"{call.tool_name}: {message}", "call": str(call.id)}


def recover() -> int:
    """Tool steps that nobody works on: order those without a message, wake the runs of the others.
    Returns how many."""
    live = WorkflowRun.objects.filter(among(*RUN_LIVE))
    alive = Step.objects.filter(kind="tool", run__in=live.values("id"))
    message = Outbox.objects.filter(topic=TOPIC, subject_id=OuterRef("id"))
    forgotten = list(alive.filter(~Exists(message), status=StepStatus.READY)[:BATCH])
    for step in forgotten:
        order(step)
    ended = ToolCall.objects.filter(step_id=OuterRef("id"), status__in=ENDED)
    left = Q(status=StepStatus.RUNNING, lease_until__lte=clock.now())
    answered = alive.filter(Exists(ended), status=StepStatus.WAITING)
    runs = set((alive.filter(left) | answered).values_list("run_id", flat=True)[:BATCH])
    return len(forgotten) + sum(journal.wake(ADVANCE, run_id) for run_id in sorted(runs))
