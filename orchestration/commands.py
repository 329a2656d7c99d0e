"""What a run needs next: a pure function from a definition and what has happened to commands.

`next_commands` reads no database and no clock, so the whole engine's judgement can be tested as
values. Whoever applies the commands asks again until none is left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from kernel import expressions
from kernel.expressions import ExpressionError, Variables

from orchestration.definitions import AgentNode, Definition, GateNode, Node, TemplateError, render
from orchestration.models.runs import RUN_ENDED, RunStatus, StepStatus

APPROVE, REQUEST_CHANGES, REJECT = "approve", "request_changes", "reject"
_LIVE = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING)
_DONE = (StepStatus.SUCCEEDED, StepStatus.SKIPPED)


@dataclass(frozen=True)
class StepView:
    """One step's latest row. `due_at`: not before (pending), or the deadline (running)."""

    id: UUID
    name: str
    iteration: int
    status: str
    attempt: int
    input: Mapping[str, Any] | None
    output: Any
    error: Mapping[str, Any] | None
    due_at: datetime | None

    def as_variable(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "output": self.output,
            "error": dict(self.error) if self.error else None,
            "iteration": self.iteration,
            "attempts": self.attempt,
        }


@dataclass(frozen=True)
class State:
    """All that the decision rests on. `input` has every declared property, null where not given."""

    status: str
    step_by_step: bool
    input: Mapping[str, Any]
    project: Mapping[str, Any] | None
    run: Mapping[str, Any]
    steps: Mapping[str, StepView]
    now: datetime

    @cached_property
    def variables(self) -> Variables:
        return Variables(
            {
                "input": dict(self.input),
                "project": dict(self.project) if self.project is not None else None,
                "run": dict(self.run),
                "steps": {name: step.as_variable() for name, step in self.steps.items()},
            }
        )


@dataclass(frozen=True)
class Start:
    """Begin the step with this input: queue the agent's task, call the tool, open the gate."""

    step: StepView
    node: Node
    input: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class Hold:
    """Keep the step back until a person resumes the run."""

    step: StepView


@dataclass(frozen=True)
class Skip:
    """Its condition doesn't hold."""

    step: StepView
    why: str


@dataclass(frozen=True)
class Break:
    """The step can't begin: an expression of it has no value."""

    step: StepView
    error: str


@dataclass(frozen=True)
class TimeOut:
    """The step is past its deadline."""

    step: StepView


@dataclass(frozen=True)
class LoopBack:
    """Changes were requested: `back_to` and all that rests on it begin another iteration."""

    gate: StepView
    nodes: tuple[Node, ...]
    feedback: Mapping[str, Any]


@dataclass(frozen=True)
class Settle:
    """The run's status follows its steps': running, waiting or paused."""

    status: str


@dataclass(frozen=True)
class Finish:
    """The run has ended."""

    status: str
    reason: str
    output: Any = None


Command = Start | Hold | Skip | Break | TimeOut | LoopBack | Settle | Finish


def next_commands(definition: Definition, state: State) -> tuple[Command, ...]:
    """The commands that the run needs now; empty when there is nothing to do but wait.

    1. an ended run needs nothing; 2. deadlines; 3. a failure or a rejection ends the run;
    4. requested changes loop back; 5. a paused run begins nothing; 6. what may begin, begins;
    7. the run's status follows, or it ends when every step has.
    """
    if state.status in RUN_ENDED:
        return ()
    overdue = tuple(_overdue(state))
    if overdue:
        return overdue
    ending = _failed(definition, state) or _rejected(definition, state)
    if ending:
        return (ending,)
    loop = _loop(definition, state)
    if loop:
        return (loop,)
    if state.status == RunStatus.PAUSED:
        return ()
    begun = tuple(_begun(definition, state))
    if begun:
        return begun
    return _conclusion(definition, state)


def _overdue(state: State) -> Iterator[Command]:
    for step in state.steps.values():
        if step.status == StepStatus.RUNNING and step.due_at and step.due_at <= state.now:
            yield TimeOut(step)


def _failed(definition: Definition, state: State) -> Finish | None:
    for node in definition.steps:
        step = state.steps[node.name]
        if step.status == StepStatus.FAILED and not node.goes_on:
            said = (step.error or {}).get("message") or "it failed"
            return Finish(RunStatus.FAILED, f"{node.name}: {said}")
    return None


def _decision(step: StepView) -> str:
    return str((step.output or {}).get("decision", "")) if isinstance(step.output, dict) else ""


def _gates(definition: Definition, state: State, decision: str) -> Iterator[tuple[Node, StepView]]:
    for node in definition.steps:
        step = state.steps[node.name]
        decided = isinstance(node, GateNode) and step.status == StepStatus.SUCCEEDED
        if decided and _decision(step) == decision:
            yield node, step


def _rejected(definition: Definition, state: State) -> Finish | None:
    for node, step in _gates(definition, state, REJECT):
        comment = str(step.output.get("comment") or "without a comment")
        by = step.output.get("by") or "a reviewer"
        return Finish(RunStatus.REJECTED, f"{node.name}: rejected by {by}: {comment}")
    return None


def _loop(definition: Definition, state: State) -> LoopBack | None:
    for node, step in _gates(definition, state, REQUEST_CHANGES):
        if isinstance(node, GateNode) and node.back_to:
            return LoopBack(step, definition.from_on(node.back_to), feedback(step))
    return None


def feedback(gate: StepView) -> dict[str, Any]:
    """What the next attempt is told: the comment, the structured fields, whose they are.

    Lists in the fields grow over the rounds, so that what was excluded once stays excluded.
    """
    before = (gate.input or {}).get("feedback") or {}
    fields = dict(before.get("fields", {}))
    for key, value in (gate.output.get("fields") or {}).items():
        if isinstance(value, list) and isinstance(fields.get(key), list):
            fields[key] = fields[key] + [item for item in value if item not in fields[key]]
        else:
            fields[key] = value
    return {
        "comment": gate.output.get("comment", ""),
        "by": gate.output.get("by", ""),
        "gate": gate.name,
        "round": gate.iteration,
        "fields": fields,
    }


def _begun(definition: Definition, state: State) -> Iterator[Command]:
    """What may begin. Step by step, one at a time, and none by itself but the very first."""
    first = all(step.attempt == 0 and step.status not in _DONE for step in state.steps.values())
    busy = any(step.status in (*_LIVE, StepStatus.PAUSED) for step in state.steps.values())
    for node in definition.steps:
        step = state.steps[node.name]
        if step.status != StepStatus.PENDING or not _free(definition, node, state):
            continue
        if step.due_at and step.due_at > state.now:
            continue
        command = _opening(node, step, state)
        again = step.attempt > 0
        if state.step_by_step and isinstance(command, Start) and not again:
            if busy:
                continue
            busy = True
            yield command if first else Hold(step)
        else:
            yield command


def _free(definition: Definition, node: Node, state: State) -> bool:
    for need in node.needs:
        status = state.steps[need].status
        continued = status == StepStatus.FAILED and definition.node(need).goes_on
        if status not in _DONE and not continued:
            return False
    return True


def _opening(node: Node, step: StepView, state: State) -> Command:
    """How a step that may begin does: its condition first, then its input."""
    try:
        if node.when is not None and not _holds(node.when, state.variables):
            return Skip(step, f"`{node.when}` doesn't hold")
        return opening(node, step, state)
    except (ExpressionError, TemplateError) as error:
        return Break(step, str(error))


def _holds(condition: str, variables: Variables) -> bool:
    value = expressions.compile(condition).evaluate(variables)
    if not isinstance(value, bool):
        raise ExpressionError(f"`{condition}` is {type(value).__name__}, not true or false")
    return value


def opening(node: Node, step: StepView, state: State) -> Start:
    """The Start command of a step, its expressions replaced by values. Raises TemplateError."""
    source, text = _source(node)
    input = render(dict(source), state.variables)
    told = (step.input or {}).get("feedback")
    if told:
        input["feedback"] = told
    return Start(step, node, input, str(render(text, state.variables)))


def _source(node: Node) -> tuple[Mapping[str, Any], str]:
    if isinstance(node, AgentNode):
        return node.input, node.task
    if isinstance(node, GateNode):
        return node.show, node.question
    return node.arguments, ""  # type: ignore[attr-defined]


def _conclusion(definition: Definition, state: State) -> tuple[Command, ...]:
    statuses = {step.status for step in state.steps.values()}
    if statuses <= {*_DONE, StepStatus.FAILED, StepStatus.CANCELLED}:
        return (_success(definition, state),)
    if statuses & {StepStatus.READY, StepStatus.RUNNING}:
        wanted = RunStatus.RUNNING
    elif StepStatus.WAITING in statuses:
        wanted = RunStatus.WAITING
    elif StepStatus.PAUSED in statuses:
        wanted = RunStatus.PAUSED
    else:
        wanted = RunStatus.RUNNING
    return (Settle(wanted),) if wanted != state.status else ()


def _success(definition: Definition, state: State) -> Finish:
    try:
        output = render(definition.output, state.variables)
    except TemplateError as error:
        return Finish(RunStatus.FAILED, f"output{error}")
    return Finish(RunStatus.SUCCEEDED, "", output)
