"""Scenes for the pages: real rows of a run that waits at its gate, and of a parked tool call."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kernel import canonical, clock
from kernel.actor import Actor

from context import changesets, projects
from context.changesets import DecisionEntry, FileChange
from context.models import Project
from governance import approvals
from governance.models import Approval, LedgerEntry
from orchestration.models import (
    RunEvent,
    Step,
    ToolCall,
    ToolCallPayload,
    Workflow,
    WorkflowRun,
    WorkflowVersion,
)
from registry.models import Agent, Team, Tool, User

BEFORE = """\
import jwt

SECRET = "change me"
LIFETIME = 3600


def login(name, password):
    user = find(name)
    if not user.check(password):
        raise Denied(name)
    return issue(user)


def issue(user):
    return jwt.encode({"sub": user.name}, SECRET)


def validate(token):
    return jwt.decode(token, SECRET, algorithms=["HS256"])
"""
AFTER = """\
from auth.tokens import issue, validate

LIFETIME = 3600


def login(name, password):
    user = find(name)
    if not user.check(password):
        raise Denied(name, "wrong password")
    return issue(user)
"""
TOKENS = """\
import jwt

SECRET = "change me"


def issue(user):
    return jwt.encode({"sub": user.name}, SECRET)


def validate(token):
    return jwt.decode(token, SECRET, algorithms=["HS256"])
"""
TESTS = """\
from auth.tokens import issue, validate


def test_a_token_names_its_user(user):
    assert validate(issue(user))["sub"] == user.name
"""
OUTPUT = """\
============================= test session starts =============================
collected 20 items

tests/test_login.py .............                                        [ 65%]
tests/test_tokens.py .......                                             [100%]

============================== 20 passed in 0.42s ==============================
"""


@dataclass(frozen=True)
class GateScene:
    """A run that waits for people."""

    approval: Approval
    run: WorkflowRun
    step: Step
    project: Project


def make_project(team: Team, by: Actor, name: str = "auth-refactor") -> tuple[Project, int, int]:
    """A project with a change from the first returned rev to the second."""
    project = projects.create(name, team=team, by=by)
    first = changesets.apply(
        project.id,
        base_rev=0,
        by=by,
        files={
            "src/auth/login.py": FileChange(BEFORE.encode()),
            "README.md": FileChange(b"# auth\n"),
            "logo.png": FileChange(b"\x89PNG\x00\x01"),
        },
        kind="import",
    )
    second = changesets.apply(
        project.id,
        base_rev=first.rev,
        by=by,
        files={
            "src/auth/login.py": FileChange(AFTER.encode()),
            "src/auth/tokens.py": FileChange(TOKENS.encode()),
            "tests/test_tokens.py": FileChange(TESTS.encode()),
            "logo.png": FileChange(b"\x89PNG\x00\x02\x03"),
        },
        decisions=[
            DecisionEntry(
                decision="Move JWT validation to separate module",
                rationale="Four functions share the import of jwt and nothing else.",
                status="implemented",
                agent="refactor_agent",
            )
        ],
        summary="Move JWT validation",
    )
    return project, first.rev, second.rev


def make_run(team: Team, by: Actor, project: Project | None = None, **fields: Any) -> WorkflowRun:
    """A run of a small workflow; `fields` override the run's."""
    workflow, made = Workflow.objects.get_or_create(
        name="refactor_and_test", defaults={"team": team, "source": "steps: []"}
    )
    if made:
        WorkflowVersion.objects.create(
            workflow=workflow,
            version="1.0",
            sort_key=1_000_000_000_000,
            document={"steps": []},
            checksum="0" * 64,
            published_by="test",
        )
    values: dict[str, Any] = {
        "workflow_version": workflow.versions.get(),
        "workflow_name": workflow.name,
        "team_id": team.id,
        "project": project,
        "status": "waiting",
        "input": {"project": project.name if project else ""},
        "started_by_kind": by.kind,
        "started_by_id": by.id,
        "started_by_name": by.name,
        "started_at": clock.now() - timedelta(minutes=3),
        "baseline_minutes": 120,
    }
    return WorkflowRun.objects.create(**(values | fields))


def make_steps(run: WorkflowRun) -> Step:
    """The article's four steps up to the gate, which waits; the gate's step."""
    began = clock.now() - timedelta(minutes=3)
    for position, name in enumerate(("refactor_agent", "test_agent")):
        Step.objects.create(
            run=run,
            team_id=run.team_id,
            name=name,
            kind="agent",
            position=position,
            status="succeeded",
            attempt=1,
            started_at=began,
            finished_at=began + timedelta(seconds=42),
        )
    Step.objects.create(run=run, team_id=run.team_id, name="merge_agent", kind="agent", position=3)
    gate: Step = Step.objects.create(
        run=run, team_id=run.team_id, name="human_review", kind="gate", position=2,
        status="waiting", attempt=1, started_at=began,
    )  # fmt: skip
    for seq, event in enumerate(("run.started", "step.succeeded", "gate.opened"), start=1):
        RunEvent.objects.create(run=run, team_id=run.team_id, seq=seq, name=event, step=gate.name)
    run.last_seq = 3
    run.save(update_fields=["last_seq"])
    return gate


def shown_of(project: Project, base_rev: int, rev: int) -> dict[str, Any]:
    """What the starter agents hand to the gate."""
    tests = {"before": {"passed": 13, "failed": 0}, "after": {"passed": 20, "failed": 0}}
    return {
        "code": {
            "project": project.name,
            "base_rev": base_rev,
            "rev": rev,
            "summary": "Move token handling of src/auth/login.py to src/auth/tokens.py",
            "candidate": {"module": "src/auth/login.py", "group": "tokens"},
            "notes": [],
            "tests": tests,
        },
        "tests": {
            "base_rev": base_rev,
            "rev": rev,
            "tests": tests,
            "written": 7,
            "killed": {"tests/test_tokens.py::test_a_token_names_its_user": ["issue:1"]},
            "output": OUTPUT,
        },
    }


def gate(
    team: Team, starter: User, *, shown: dict[str, Any] | None = None, name: str = "auth-refactor"
) -> GateScene:
    """A run that waits at its gate, started by `starter`; any reviewer may answer."""
    actor = starter.actor
    project, base_rev, rev = make_project(team, actor, name)
    run = make_run(team, actor, project)
    step = make_steps(run)
    LedgerEntry.objects.create(
        kind="tool_call", team_id=team.id, agent_name="refactor_agent", tool_name="run_tests",
        subject_kind="tool_call", subject_id=run.id, run_id=run.id, amount_micros=120_000,
    )  # fmt: skip
    document = shown_of(project, base_rev, rev) if shown is None else shown
    approval = approvals.open(
        kind="gate",
        subject_kind="step",
        subject_id=step.id,
        team_id=team.id,
        title="refactor_and_test: human review",
        question="Review the refactoring and its tests, and approve or request changes.",
        shown=document,
        digest=canonical.digest({"step": str(step.id)}),
        requester=actor,
        reviewers={"role": "reviewer"},
        allow_changes=True,
        deadline=clock.now() + timedelta(days=2),
    )
    return GateScene(approval, run, step, project)


def make_call(agent: Agent, tool: Tool, **fields: Any) -> ToolCall:
    """A call's row with its payload; `arguments` goes into the payload."""
    arguments = fields.pop("arguments", {"code": "print(1)"})
    version = tool.live_version
    assert version is not None
    values: dict[str, Any] = {
        "tool_version": version,
        "tool_name": tool.name,
        "version": version.version,
        "agent": agent,
        "agent_name": agent.name,
        "team_id": agent.team_id,
        "environment": "staging",
        "status": "succeeded",
        "effect": "allow",
        "request_digest": "0" * 64,
        "cost_micros": 10_000,
    }
    call = ToolCall.objects.create(**(values | fields))
    ToolCallPayload.objects.create(call=call, arguments=arguments)
    return call


def parked_call(agent: Agent, tool: Tool, **arguments: Any) -> Approval:
    """A call that waits for a reviewer."""
    call = make_call(
        agent,
        tool,
        status="awaiting_approval",
        effect="require_approval",
        environment="production",
        arguments=arguments or {"code": "DROP TABLE users", "timeout": 30},
        explanation=[
            {
                "policy": "production_access",
                "version": "1.0",
                "rule": "require_approval",
                "effect": "require_approval",
                "message": "Writes to production need a person's approval.",
                "shadow": False,
            }
        ],
    )
    approval = approvals.open(
        kind="tool_call",
        subject_kind="tool_call",
        subject_id=call.id,
        team_id=agent.team_id,
        title=f"{agent.name} wants to call {tool.name}",
        question="A write to production.",
        shown={"tool": tool.name},
        digest=canonical.digest({"call": str(call.id)}),
        requester=agent.actor,
        reviewers={"role": "reviewer"},
    )
    ToolCall.objects.filter(id=call.id).update(approval=approval)
    return approval
