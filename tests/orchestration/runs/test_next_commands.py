"""The pure engine, on random workflows and random histories: it never does what it must not."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from orchestration import definitions
from orchestration.commands import (
    Finish,
    Hold,
    LoopBack,
    Settle,
    Skip,
    Start,
    State,
    StepView,
    TimeOut,
    next_commands,
)
from orchestration.definitions import Definition
from orchestration.models.runs import RUN_ENDED, RunStatus, StepStatus

NOW = datetime(2026, 3, 4, 10, 23, tzinfo=UTC)
DONE = ("succeeded", "skipped")


@st.composite
def workflows(draw: st.DrawFn) -> Definition:
    """Up to six steps, each resting on any of those before it, some with a condition."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 6))):
        names = [step["name"] for step in steps]
        needs = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        step: dict[str, Any] = {"name": f"s{number}", "needs": needs}
        if draw(st.booleans()) and needs:
            step |= {"gate": {"question": "?", "reviewers": {"role": "reviewer"}}}
            if draw(st.booleans()):
                step["gate"]["on_request_changes"] = {"back_to": needs[0], "limit": 2}
        else:
            step |= {"agent": "a", "task": "t"}
            if draw(st.booleans()):
                step["on_failure"] = "continue"
        if needs and draw(st.booleans()):
            step["when"] = f'steps.{needs[0]}.status == "succeeded"'
        steps.append(step)
    return definitions.of_document({"name": "w", "version": "1.0", "steps": steps})


@st.composite
def states(draw: st.DrawFn, definition: Definition) -> State:
    views = {}
    for node in definition.steps:
        status = draw(st.sampled_from(StepStatus.values))
        decisions = st.sampled_from(["approve", "request_changes", "reject"])
        output = {"decision": draw(decisions)} if node.kind == "gate" else None
        due = draw(st.sampled_from([None, NOW - timedelta(1), NOW + timedelta(1)]))
        attempt = draw(st.integers(0, 2))
        views[node.name] = StepView(uuid4(), node.name, 1, status, attempt, None, output, None, due)
    return State(
        status=draw(st.sampled_from(RunStatus.values)),
        step_by_step=draw(st.booleans()),
        input={},
        project=None,
        run={},
        steps=views,
        now=NOW,
    )


cases = workflows().flatmap(lambda d: st.tuples(st.just(d), states(d)))


@given(cases)
def test_the_same_state_gives_the_same_commands(case: tuple[Definition, State]) -> None:
    definition, state = case
    assert next_commands(definition, state) == next_commands(definition, state)


@given(cases)
def test_an_ended_or_paused_run_begins_nothing(case: tuple[Definition, State]) -> None:
    definition, state = case
    commands = next_commands(definition, state)
    if state.status in RUN_ENDED:
        assert commands == ()
    if state.status == RunStatus.PAUSED:
        assert not any(isinstance(each, Start | Hold | Skip) for each in commands)


@given(cases)
def test_only_a_pending_step_whose_needs_are_met_begins(case: tuple[Definition, State]) -> None:
    definition, state = case
    for command in next_commands(definition, state):
        if not isinstance(command, Start | Hold | Skip):
            continue
        step = command.step
        assert step.status == "pending"
        assert step.due_at is None or step.due_at <= NOW
        for need in definition.node(step.name).needs:
            met = state.steps[need].status in DONE
            passed = state.steps[need].status == "failed" and definition.node(need).goes_on
            assert met or passed


@given(cases)
def test_step_by_step_begins_one_at_a_time(case: tuple[Definition, State]) -> None:
    definition, state = case
    commands = next_commands(definition, state)
    fresh = [each for each in commands if isinstance(each, Start) and each.step.attempt == 0]
    held = [each for each in commands if isinstance(each, Hold)]
    if state.step_by_step:
        assert len(fresh) + len(held) <= 1
    else:
        assert not held


@given(cases)
def test_a_run_ends_well_only_when_every_step_has_ended(case: tuple[Definition, State]) -> None:
    definition, state = case
    for command in next_commands(definition, state):
        if isinstance(command, Finish) and command.status == RunStatus.SUCCEEDED:
            assert all(
                step.status in (*DONE, "failed", "cancelled") for step in state.steps.values()
            )
            for step in state.steps.values():
                assert step.status != "failed" or definition.node(step.name).goes_on


@given(cases)
def test_a_live_run_with_nothing_to_do_waits_for_something(case: tuple[Definition, State]) -> None:
    definition, state = case
    if state.status in RUN_ENDED or state.status == RunStatus.PAUSED:
        return
    if next_commands(definition, state):
        return
    waits = {"ready", "running", "waiting", "paused"}
    timed = [step for step in state.steps.values() if step.due_at and step.due_at > NOW]
    blocked = any(step.status == "cancelled" for step in state.steps.values())
    assert timed or blocked or any(step.status in waits for step in state.steps.values())


@given(cases)
def test_only_what_is_overdue_is_timed_out(case: tuple[Definition, State]) -> None:
    definition, state = case
    for command in next_commands(definition, state):
        if isinstance(command, TimeOut):
            assert command.step.status == "running"
            assert command.step.due_at is not None
            assert command.step.due_at <= NOW
        if isinstance(command, LoopBack):
            assert state.steps[command.gate.name].status == "succeeded"
        if isinstance(command, Settle):
            assert command.status != state.status
