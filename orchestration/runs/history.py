"""A checker of run histories: what must hold of the events of every run, whatever was killed.

Pure: it looks at events and rows as values. `manage.py runs verify` reads them and asks it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestration.definitions import Definition
from orchestration.models.runs import RUN_ENDED

ENDS = {
    "step.succeeded": "succeeded",
    "step.failed": "failed",
    "step.skipped": "skipped",
    "step.cancelled": "cancelled",
    "step.paused": "paused",
    "step.retrying": "pending",
    "step.lost": "pending",
    "step.reopened": "pending",
    "step.waiting": "waiting",
    "step.claimed": "running",
}
WORK = {"step.started", "step.claimed", "step.succeeded", "task.queued", "gate.opened"}
FINISHED = "run.finished"


@dataclass(frozen=True)
class Event:
    """One event, as the checker sees it."""

    seq: int
    name: str
    step: str
    iteration: int
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class History:
    """A run's events in order, and the rows that they must explain: (step, iteration) to status."""

    status: str
    last_seq: int
    events: Sequence[Event]
    steps: Mapping[tuple[str, int], str]
    definition: Definition


@dataclass
class Node:
    """What the events have said of one iteration of a step so far."""

    status: str = "pending"
    token: int = 0
    claimed: int = 0
    attempts: int = 0
    completions: int = 0
    due_at: str = ""
    gate: list[str] = field(default_factory=list)


def faults(history: History) -> list[str]:
    """Everything that can't have happened, each with the number of its event; empty when sound."""
    return [*_numbers(history), *_ending(history), *_Replay(history).faults()]


def _numbers(history: History) -> Iterator[str]:
    expected = list(range(1, len(history.events) + 1))
    if [event.seq for event in history.events] != expected:
        yield "the events' numbers aren't dense from 1"
    if history.last_seq != len(history.events):
        yield f"the run says {history.last_seq} events, there are {len(history.events)}"


def _ending(history: History) -> Iterator[str]:
    ends = [event for event in history.events if event.name == FINISHED]
    ended = history.status in RUN_ENDED
    if len(ends) != (1 if ended else 0):
        yield f"the run is {history.status} and has {len(ends)} endings"
    for end in ends:
        if end.data.get("status") != history.status:
            yield f"#{end.seq} ends as {end.data.get('status')}, the run is {history.status}"
        for event in history.events:
            if event.seq > end.seq and event.name in WORK:
                yield f"#{event.seq} {event.name} of {event.step} comes after the end"


class _Replay:
    """Goes through the events once and compares what they add up to with the rows."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.nodes: dict[tuple[str, int], Node] = {}
        self.latest: dict[str, int] = {}

    def faults(self) -> Iterator[str]:
        for event in self.history.events:
            if event.step and event.name != "stale_result":
                self.latest[event.step] = max(event.iteration, self.latest.get(event.step, 0))
                node = self.nodes.setdefault((event.step, event.iteration), Node())
                for message in self._event(event, node):
                    yield f"#{event.seq} {event.step}: {message}"
        yield from self._projection()

    def _event(self, event: Event, node: Node) -> Iterable[str]:
        if event.name == "step.started":
            yield from self._started(event, node)
        elif event.name == "step.claimed":
            yield from _claimed(event, node)
        elif event.name == "step.succeeded":
            yield from _succeeded(event, node)
        elif event.name in ("gate.opened", "gate.closed"):
            node.gate.append(event.name)
        elif event.name in ("step.retrying", "step.lost"):
            node.due_at = str(event.data.get("due_at", ""))
        if event.name == "step.copied":
            node.status = str(event.data["status"])
        else:
            node.status = ENDS.get(event.name, node.status)

    def _started(self, event: Event, node: Node) -> Iterable[str]:
        token = int(event.data["token"])
        if token <= node.token:
            yield f"started with token {token} after {node.token}"
        if node.due_at and event.at < datetime.fromisoformat(node.due_at):
            yield f"tried again before {node.due_at}"
        node.token, node.due_at = token, ""
        node.status = "waiting" if event.data.get("kind") == "gate" else "ready"
        for need in self.history.definition.node(event.step).needs:
            status = self.nodes.get((need, self.latest.get(need, 1)), Node()).status
            goes_on = self.history.definition.node(need).goes_on and status == "failed"
            if status not in ("succeeded", "skipped") and not goes_on:
                yield f"began while {need} was {status}"

    def _projection(self) -> Iterator[str]:
        for (name, iteration), status in self.history.steps.items():
            said = self.nodes.get((name, iteration), Node()).status
            if said != status:
                yield f"{name}.{iteration} is {status}, its events say {said}"


def _claimed(event: Event, node: Node) -> Iterable[str]:
    token, attempt = int(event.data["token"]), int(event.data["attempt"])
    if token != node.token:
        yield f"claimed with token {token}, the step's is {node.token}"
    if node.claimed == token:
        yield f"claimed twice with token {token}"
    if attempt != node.attempts + 1:
        yield f"attempt {attempt} follows attempt {node.attempts}"
    node.claimed, node.attempts = token, attempt


def _succeeded(event: Event, node: Node) -> Iterable[str]:
    token = int(event.data["token"])
    node.completions += 1
    if node.completions > 1:
        yield "succeeded twice"
    if token != node.token:
        yield f"succeeded with token {token}, the step's is {node.token}"
    if node.gate:
        if node.gate[-2:] != ["gate.opened", "gate.closed"]:
            yield "decided without a question that was open"
    elif token != node.claimed:
        yield f"succeeded with token {token}, last claimed with {node.claimed}"
