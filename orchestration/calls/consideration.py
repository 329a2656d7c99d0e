"""Considering a case: may it be asked at all, does it fit, and what does policy say?

Reads only. It runs before the part of admission that locks.
"""

from collections.abc import Mapping
from typing import Any

from kernel import schemas
from kernel.problems import Issue
from kernel.visibility import VIEW

from context.models import Project
from governance import grants, judging, policies
from governance.facts import Facts, of_agent, of_tool
from governance.verdicts import Verdict
from orchestration.calls import bounds, breakers, limits, masking
from orchestration.calls.case import Case, Decision
from orchestration.calls.outcomes import No
from registry import drift, notices
from registry.models.agents import Environment

SEVERAL = 5
_SANDBOXED = ("python", "command", "git")


def consider(case: Case, *, approval: Mapping[str, Any] | None = None) -> Decision:
    """What is to become of the case; `approval` is one more fact where people have answered.

    1. may it be asked at all: agent, tool, environment, run;
    2. do the arguments fit, with the schema's defaults filled in;
    3. is the project that it names there for this agent, and at which rev;
    4. what does policy say; 5. under which limits.
    """
    arguments: Mapping[str, Any] = case.request.arguments
    verdict: Verdict | None = None
    try:
        guard(case)
        breakers.check(case)
        arguments = fitting(arguments, case.contract.parameters)
        project, arguments = _located(case, arguments)
        verdict = judging.judge(facts(case, arguments, approval), policies.enforced())
        _obey(verdict)
        held = limits.clamp(arguments, verdict.clamp(case.contract.limits))
        if case.contract.executor in _SANDBOXED:
            limits.check_packages(arguments, held.limits)
    except No as no:
        verdict = verdict or Verdict(redactions=_masks(case))
        no = masking.told(no, arguments, verdict)
        return Decision(arguments=arguments, verdict=verdict, no=no)
    return Decision(arguments=held.arguments, verdict=verdict, clamped=held, project=project)


def _masks(case: Case) -> Mapping[str, Any]:
    """What to mask of a case that policy was never asked about."""
    return judging.masks(facts(case, {}, None), policies.enforced())


def guard(case: Case) -> None:
    """Whether the case may be asked at all, whatever its arguments are. Raises No."""
    request, agent = case.request, case.request.agent
    if not agent.is_active:
        raise No("suspended", f"Agent {agent.name} is suspended. Ask its team, {agent.team.name}.")
    notice = notices.of(case.version)
    if notice is not None and notice.has_ended(case.at):
        raise No("tool_sunset", notice.farewell, extra=notice.extra())
    if case.version.tool.quarantined_at is not None:
        raise _quarantined(case)
    if request.objection:
        raise No("denied_by_policy", request.objection)
    if case.environment not in Environment.values:
        message = f"write {' or '.join(Environment.values)}"
        raise No(
            "invalid_arguments",
            f"There is no environment {case.environment!r}: {message}.",
            errors=(Issue("/environment", message),),
        )
    if case.environment == Environment.PRODUCTION != agent.environment:
        raise No(
            "denied_by_policy",
            f"Agent {agent.name} works in {agent.environment}; a call can't promote it to "
            "production. Ask the platform team.",
        )
    offered = case.contract.said("environments")
    if offered and case.environment not in offered:
        raise No(
            "denied_by_policy",
            f"Tool {case.contract.name} {case.contract.version} is offered in "
            f"{' and '.join(offered)} only, and this call is for {case.environment}.",
        )


def _quarantined(case: Case) -> No:
    tool = case.version.tool
    return No(
        "quarantined",
        f"{tool.quarantine_reason} Calls are refused until a person has accepted what changed. "
        f"Ask its owner, team {case.contract.document['owner']}.",
        extra={"diff": drift.diff_of(tool)},
    )


def fitting(arguments: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the schema's defaults. Raises No with the place of each fault."""
    if not isinstance(arguments, Mapping):
        raise _misfit((Issue("", "the arguments are a JSON object"),))
    found = bounds.faults(arguments)
    if found:
        raise _misfit(found)
    full = schemas.with_defaults(dict(arguments), schema)
    found = schemas.faults_of_value(full, schema)
    if found:
        raise _misfit(found)
    return full


def _misfit(found: tuple[Issue, ...]) -> No:
    said = "; ".join(f"{issue.pointer or '/'}: {issue.message}" for issue in found[:SEVERAL])
    more = f" (and {len(found) - SEVERAL} more)" if len(found) > SEVERAL else ""
    return No("invalid_arguments", f"The arguments don't fit: {said}{more}.", errors=found)


def _located(case: Case, arguments: dict[str, Any]) -> tuple[Project | None, Mapping[str, Any]]:
    """The project that the arguments name, if the tool works on one, and the rev pinned."""
    if not needs_project(case):
        return None, arguments
    name = arguments.get("project")
    rows = Project.objects.visible_to(case.request.actor, VIEW).filter(name=name)
    project: Project | None = rows.first()
    if project is None:
        raise _misfit((Issue("/project", f"there is no project {name!r} for this agent"),))
    rev = arguments.get("rev")
    if rev is None:
        return project, arguments | {"rev": project.rev}
    if not 0 <= rev <= project.rev:
        raise _misfit((Issue("/rev", f"project {name} is at rev {project.rev}"),))
    return project, arguments


def needs_project(case: Case) -> bool:
    """Whether the tool works on a project's files."""
    config = case.contract.executor_config
    return bool(config.get("workspace")) or case.contract.executor in ("git", "context")


def _obey(verdict: Verdict) -> None:
    if verdict.effect == "deny":
        raise No(
            verdict.reason or "denied_by_policy", verdict.message or "Policy denies this call."
        )


def facts(case: Case, arguments: Mapping[str, Any], approval: Mapping[str, Any] | None) -> Facts:
    """The case as policies see it."""
    agent, contract = case.request.agent, case.contract
    cost = contract.document["cost_per_call"]
    return Facts(
        agent=of_agent(agent, sorted(grants.live(agent.id, case.at))),
        tool=of_tool(contract.name, contract.version, contract.document, cost),
        arguments=arguments,
        environment=case.environment,
        run=_run(case),
        at=case.at,
        approval=approval,
    )


def _run(case: Case) -> dict[str, Any] | None:
    if case.run is None:
        return None
    return {"id": str(case.run.id), "workflow": case.run.workflow_name}
