"""Asking people about one exact call."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from kernel import canonical

from context.models import Project
from governance import approvals
from governance.verdicts import ReviewSpec
from orchestration.calls import masking
from orchestration.calls.case import Case, Decision
from orchestration.models import ToolCall

SUBJECT = "tool_call"


def exactly(case: Case, arguments: Mapping[str, Any], project: Project | None) -> dict[str, Any]:
    """What an approval is bound to: agent, tool version, arguments, environment, context."""
    context = {"project": str(project.id), "rev": arguments["rev"]} if project else None
    return {
        "agent": str(case.request.agent.id),
        "tool_version": str(case.version.id),
        "arguments": dict(arguments),
        "environment": case.environment,
        "context": context,
    }


def digest(case: Case, arguments: Mapping[str, Any], project: Project | None) -> str:
    """SHA-256 over canonical JSON (RFC 8785) of what is asked, unmasked."""
    return canonical.digest(exactly(case, arguments, project))


def ask(call: ToolCall, case: Case, decision: Decision) -> None:
    """Open the approval in the transaction that parks the call, and tie the call to it."""
    asked = decision.verdict.reviewers or ReviewSpec(reviewers={})
    deadline = case.at + timedelta(seconds=asked.deadline) if asked.deadline else None
    call.approval = approvals.open(
        kind=SUBJECT,
        subject_kind=SUBJECT,
        subject_id=call.id,
        team_id=call.team_id,
        title=f"{call.agent_name} wants to call {call.tool_name} in {call.environment}",
        question=decision.verdict.message or "Policy asks for an approval. May the call go on?",
        shown=_shown(case, decision),
        digest=digest(case, decision.arguments, decision.project),
        requester=case.request.actor,
        reviewers=dict(asked.reviewers),
        quorum=asked.quorum,
        deadline=deadline,
    )
    call.save(update_fields=["approval"])


def _shown(case: Case, decision: Decision) -> dict[str, Any]:
    arguments, counts = masking.arguments(dict(decision.arguments), decision.verdict)
    project = decision.project
    return {
        "agent": case.request.agent.name,
        "tool": case.contract.name,
        "version": case.contract.version,
        "arguments": arguments,
        "masked": counts,
        "environment": case.environment,
        "context": {"project": project.name, "rev": decision.arguments["rev"]} if project else None,
        "explanation": decision.explanation,
        "run": str(case.request.run_id) if case.request.run_id else None,
    }
