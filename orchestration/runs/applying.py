"""Applying the engine's commands to a locked run, one by one."""

from governance import audit
from orchestration import calling, gates, steps, tasks
from orchestration.commands import (
    Break,
    Command,
    Finish,
    Hold,
    LoopBack,
    Settle,
    Skip,
    Start,
    TimeOut,
)
from orchestration.definitions import AgentNode, GateNode, ToolNode
from orchestration.fitness import AgentUnfit
from orchestration.journal import Journal
from orchestration.models import Step
from orchestration.models.runs import RunStatus, StepStatus
from orchestration.models.tasks import TaskStatus
from orchestration.runs import aftermath


def apply(journal: Journal, rows: dict[str, Step], command: Command) -> None:
    """Do what the command says to the run's rows."""
    match command:
        case Start():
            start(journal, rows[command.step.name], command)
        case Hold():
            steps.pause(journal, rows[command.step.name], rows[command.step.name].token, None)
        case Skip():
            steps.skip(journal, rows[command.step.name], command.why)
        case Break():
            _break(journal, rows[command.step.name], command.error)
        case TimeOut():
            _time_out(journal, rows[command.step.name])
        case LoopBack():
            _loop_back(journal, rows, command)
        case Settle():
            settle(journal, command.status)
        case Finish():
            finish(journal, command)


def start(journal: Journal, step: Step, command: Start) -> None:
    """Begin the step: hand the task out, have the tool called, or ask the reviewers."""
    node = command.node
    status = StepStatus.WAITING if isinstance(node, GateNode) else StepStatus.READY
    if not steps.begin(journal, step, status, command.input):
        return
    _mark_started(journal)
    if isinstance(node, AgentNode):
        _queue(journal, step, node, command)
    elif isinstance(node, ToolNode):
        calling.order(step)
    elif isinstance(node, GateNode):
        gates.open(journal, step, node, question=command.text, shown=command.input)


def _queue(journal: Journal, step: Step, node: AgentNode, command: Start) -> None:
    try:
        tasks.queue_step(journal, step, node, task=command.text, input=command.input)
    except AgentUnfit as problem:
        error = {"reason": problem.reason, "message": problem.detail}
        steps.fail(journal, step, node, step.token, error, retryable=False)


def _mark_started(journal: Journal) -> None:
    if journal.run.started_at is None:
        journal.run.started_at = journal.now
        journal.run.save(update_fields=["started_at"])


def _break(journal: Journal, step: Step, message: str) -> None:
    node = journal.definition.node(step.name)
    error = {"reason": "expression", "message": message}
    steps.fail(journal, step, node, step.token, error, retryable=False)


def _time_out(journal: Journal, step: Step) -> None:
    node = journal.definition.node(step.name)
    seconds = node.timeout.total_seconds() if node.timeout else 0
    why = f"no result within {seconds:g} s"
    tasks.end(journal, step, TaskStatus.LOST, why)
    if isinstance(node, ToolNode):
        # Whether the call had an effect isn't known, so a person decides.
        steps.pause(journal, step, step.token, {"reason": "timed_out", "message": why})
        return
    error = {"reason": "timed_out", "message": why}
    steps.fail(journal, step, node, step.token, error, retryable=True)


def _loop_back(journal: Journal, rows: dict[str, Step], command: LoopBack) -> None:
    journal.record(
        "run.looped", rows[command.gate.name], back_to=command.nodes[0].name, **command.feedback
    )
    for node in command.nodes:
        step = rows[node.name]
        if step.status == StepStatus.PENDING and step.attempt == 0:
            continue
        _stop(journal, step, "changes were requested")
        steps.again(journal, step, command.feedback)


def _stop(journal: Journal, step: Step, why: str) -> None:
    """End what is under way for a step that hasn't ended."""
    if steps.cancel(journal, step, why):
        tasks.end(journal, step, TaskStatus.CANCELLED, why)
        gates.cancel(step, why)


def settle(journal: Journal, status: str, reason: str = "") -> None:
    """The run's status while it lives."""
    run = journal.run
    old = run.status
    if status == RunStatus.PAUSED:
        reason = reason or _why_paused(journal)
    run.status, run.reason = status, reason
    run.save(update_fields=["status", "reason"])
    journal.record(f"run.{status}", was=old, reason=reason)
    if status == RunStatus.PAUSED:
        note(journal, "run.paused", reason=reason)


def _why_paused(journal: Journal) -> str:
    paused = Step.objects.filter(run=journal.run, status=StepStatus.PAUSED).first()
    if paused is None:
        return ""
    if paused.error:
        return f"{paused.name}: {paused.error.get('message', 'waits for a person')}"
    return f"Next: {paused.name}. The run goes step by step; resume it to go on."


def finish(journal: Journal, command: Finish) -> None:
    """The run ends: what is under way is stopped, what hasn't begun is skipped."""
    run = journal.run
    for step in journal.steps().values():
        if step.status in (StepStatus.PENDING, StepStatus.PAUSED) and step.attempt == 0:
            if command.status == RunStatus.CANCELLED:
                steps.cancel(journal, step, command.reason)
            else:
                steps.skip(journal, step, f"the run ended as {command.status}")
        else:
            _stop(journal, step, f"the run ended as {command.status}")
    run.status, run.reason, run.output = command.status, command.reason, command.output
    run.finished_at = journal.now
    run.save(update_fields=["status", "reason", "output", "finished_at"])
    journal.record("run.finished", status=str(command.status), reason=command.reason)
    aftermath.tidy(journal, command.status, command.reason)
    event = "run.cancelled" if command.status == RunStatus.CANCELLED else "run.finished"
    note(journal, event, status=str(command.status), reason=command.reason)


def note(journal: Journal, event: str, /, **data: object) -> None:
    """One audit line about the run."""
    audit.record(
        event,
        target_kind="run",
        target_id=journal.run.id,
        target_name=str(journal.run),
        team_id=journal.run.team_id,
        **data,
    )
