"""Whether some tools may be called, each with its reason."""

from collections.abc import Sequence
from uuid import UUID

from orchestration.calls import CallRequest, breakers, consideration
from orchestration.calls.case import Case
from orchestration.calls.outcomes import No
from orchestration.discovery.asking import Asker
from orchestration.discovery.judgements import NO, Answer, Kept, judged_once, kept_for, met
from registry import publishing
from registry.bound import Bound
from registry.contracts import Contract
from registry.discovery import documents
from registry.models import Tool

# It is looked at as a call would be, and there is none.
NO_CALL = UUID(int=0)


def answer(asker: Asker, tool: Tool) -> Answer:
    """Whether this one tool may be called now, and why not."""
    try:
        version = publishing.resolve(tool.name, None, asker.actor, agent_id=asker.agent.id)
        found = Bound(version)
    except publishing.OutsidePin as error:
        found = Bound(error.version, error.detail)
    except publishing.UnknownTool as error:
        return Answer(NO, error.reason, (error.detail,))
    return of_version(asker, found, kept_for(asker))


def answers(asker: Asker, tools: Sequence[Tool]) -> dict[UUID, Answer]:
    """The same for a page of tools that the agent sees, with their live versions read."""
    kept = kept_for(asker)
    found = {}
    for tool in tools:
        live = tool.live_version
        if live is None:
            found[tool.pk] = Answer(NO, "unknown_tool", ("It isn't published.",))
            continue
        live.tool = tool
        found[tool.pk] = of_version(asker, asker.pinned.get(tool.pk) or Bound(live), kept)
    return found


def of_version(asker: Asker, found: Bound, kept: Kept) -> Answer:
    """Whether a call of this version would be admitted: in the order in which a call is considered
    (`consideration.consider`) and counted (`admission.reserve`)."""
    version = found.version
    case = _case(asker, found)
    try:
        consideration.guard(case)
        breakers.check(case)
    except No as no:
        return Answer(NO, no.reason, (no.detail,))
    name, kind = case.contract.name, documents.facts_of(case.contract.document)
    judgement = judged_once(asker, name, version.version, kind, kept)
    return met(asker, judgement, name, kind)


def _case(asker: Asker, found: Bound) -> Case:
    request = CallRequest(
        tool=found.version.tool.name,
        arguments={},
        actor=asker.actor,
        agent=asker.agent,
        environment=asker.environment,
        team_id=asker.team_id,
        objection=found.objection,
    )
    contract = Contract.of(found.version)
    return Case(request, found.version, contract, asker.environment, asker.at, NO_CALL)
