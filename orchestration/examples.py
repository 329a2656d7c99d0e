"""Examples of a contract as tests: each is called for real, and its answer compared.

An example is `{arguments, name?, result?, expect?}`:

- without more, the call has to succeed;
- `result` is the result that the call has to have, to the letter (`1` and `1.0` are one number);
- `expect` asks for less: `status` (succeeded unless told), `reason` of a refusal or error, `result`
  of which objects may have more members, and `schema` that the result has to fit.

Each goes through the same pipeline as every call: policy, budget, sandbox and audit. What a policy
refuses isn't executed for an example either.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Q
from kernel import actor as actors
from kernel import canonical, clock, schemas
from kernel.problems import NotFound, Problem

from orchestration import calls
from orchestration.calls import CallRequest, Parked, Refused, Repeated
from orchestration.models import ExampleRun, ToolCall
from registry import publishing
from registry.models import Agent, ToolVersion

MOST_TOLD = 300


@dataclass(frozen=True)
class Outcome:
    """What came of one example: `detail` says what didn't match, with its place in the result."""

    position: int
    name: str
    passed: bool
    detail: str
    call_id: UUID | None

    def as_json(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "name": self.name,
            "passed": self.passed,
            "detail": self.detail,
            "call": str(self.call_id) if self.call_id else None,
        }


def run(name: str, agent: Agent | str, *, version: str | None = None) -> list[Outcome]:
    """Execute every example of a version of the tool as this agent, and keep what came of each.

    On behalf of whoever asks. Raises NotFound for an agent that isn't there, UnknownTool for a tool
    that the agent doesn't see.
    """
    found = agent if isinstance(agent, Agent) else _agent(agent)
    published = publishing.resolve(name, version, found.actor)
    return [
        _executed(published, position, example, found)
        for position, example in enumerate(published.contract["examples"])
    ]


def _agent(name: str) -> Agent:
    agent: Agent | None = Agent.objects.select_related("team").filter(name=name).first()
    if agent is None:
        raise NotFound(f"There is no agent {name!r}.")
    return agent


def _executed(
    version: ToolVersion, position: int, example: Mapping[str, Any], agent: Agent
) -> Outcome:
    call, answer = _answer(version, example, agent)
    faults = list(differences(example, answer))
    outcome = Outcome(
        position=position,
        name=str(example.get("name", f"example {position + 1}")),
        passed=not faults,
        detail="; ".join(faults)[:2_000],
        call_id=call.id if call else None,
    )
    _keep(version, example, agent, outcome)
    return outcome


def _answer(
    version: ToolVersion, example: Mapping[str, Any], agent: Agent
) -> tuple[ToolCall | None, dict[str, Any]]:
    """The call, and its status, reason, detail and result."""
    request = CallRequest(
        tool=version.contract["name"],
        arguments=example["arguments"],
        actor=replace(agent.actor, on_behalf_of=actors.current().reference),
        agent=agent,
        version=version.version,
    )
    try:
        call = calls.invoke(request)
    except (Refused, Parked, Repeated) as answer:
        call = answer.call
    except Problem as problem:
        return None, {"status": "refused", "reason": problem.reason, "detail": problem.detail}
    call = ToolCall.objects.select_related("payload").get(id=call.id)
    error = call.payload.error if isinstance(call.payload.error, dict) else {}
    return call, {
        "status": str(call.status),
        "reason": call.reason or error.get("reason", ""),
        "detail": call.detail or error.get("message", ""),
        "result": call.payload.result,
    }


def differences(example: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Where the answer isn't as the example says; nothing where it is. Pure."""
    expect = example.get("expect", {})
    status = expect.get("status", "succeeded")
    if answer["status"] != status:
        why = f" ({answer['reason']}: {answer['detail']})" if answer.get("reason") else ""
        yield f"the call {answer['status']} instead of {status}{why}"
        return
    if "reason" in expect and answer.get("reason") != expect["reason"]:
        yield f"the reason is {_shown(answer.get('reason'))} instead of {_shown(expect['reason'])}"
    result = answer.get("result")
    if "result" in example:
        yield from _unlike(example["result"], result, "", exact=True)
    if "result" in expect:
        yield from _unlike(expect["result"], result, "", exact=False)
    if "schema" in expect:
        for issue in schemas.faults_of_value(result, expect["schema"]):
            yield f"{issue.pointer or '/'}: {issue.message}"


def _unlike(wanted: Any, found: Any, place: str, *, exact: bool) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            inner = schemas.pointer([name])
            if name not in found:
                yield f"{place}{inner}: is missing"
            else:
                yield from _unlike(value, found[name], f"{place}{inner}", exact=exact)
        if exact:
            yield from (
                f"{place}{schemas.pointer([n])}: is too much" for n in found if n not in wanted
            )
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _unlike(one, other, f"{place}/{index}", exact=exact)
    elif isinstance(wanted, bool) is not isinstance(found, bool) or wanted != found:
        yield f"{place or '/'}: is {_shown(found)} instead of {_shown(wanted)}"


def _shown(value: Any) -> str:
    text = canonical.encode(value).decode() if value is not None else "null"
    return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}…"


def _keep(version: ToolVersion, example: Mapping[str, Any], agent: Agent, found: Outcome) -> None:
    ExampleRun.objects.update_or_create(
        tool_version=version,
        position=found.position,
        defaults={
            "checksum": canonical.digest(dict(example)),
            "passed": found.passed,
            "detail": found.detail,
            "agent_name": agent.name,
            "team_id": agent.team_id,
            "call_id": found.call_id,
            "ran_at": clock.now(),
        },
    )


def last(version: ToolVersion) -> dict[int, ExampleRun]:
    """What came of each example the last time, by its position."""
    rows = ExampleRun.objects.filter(Q(tool_version=version))
    return {row.position: row for row in rows}
