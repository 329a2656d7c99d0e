"""A small workflow of two agents, a gate and a third agent, and how a test plays them."""

from typing import Any

from kernel import outbox
from kernel.actor import SYSTEM

from governance import approvals
from governance.models import Approval
from orchestration import tasks, workflows
from orchestration.models import AgentTask, RunEvent, Step, Workflow, WorkflowRun
from orchestration.tasks import Claimed
from registry.models import Agent, Team, User
from tests import factories

SOURCE = """
name: refactor
version: "1.0"
description: Two agents, a review, a merge.
baseline_minutes: 240
input:
  type: object
  required: [topic]
  properties:
    topic: {type: string}
    exclude: {type: array, items: {type: string}, default: []}
steps:
  - name: write
    agent: writer
    task: Write about ${ input.topic }
    input: {topic: "${ input.topic }", exclude: "${ input.exclude }"}
    output: text
    retry: {attempts: 3, backoff: 0}
  - name: check
    agent: checker
    task: Check it
    input: {text: "${ steps.write.output }"}
    retry: {attempts: 2, backoff: 0}
  - name: review
    gate:
      question: Good enough?
      reviewers: {role: reviewer}
      show: {text: "${ steps.write.output }", checks: "${ steps.check.output }"}
      on_request_changes: {back_to: write, limit: 2}
  - name: publish
    agent: publisher
    task: Publish it
    when: steps.review.output.decision == "approve"
    input: {text: "${ steps.write.output }"}
    retry: {attempts: 2, backoff: 0}
output: {place: "${ steps.publish.output.place }"}
"""

AGENTS = ("writer", "checker", "publisher")


def cast(team: Team) -> dict[str, Agent]:
    return {name: factories.make_agent(name, team) for name in AGENTS}


def install(source: str, team: Team, **fields: Any) -> Workflow:
    """A published workflow."""
    version = workflows.install(source, by=SYSTEM, team=team.name)
    if fields:
        Workflow.objects.filter(id=version.workflow_id).update(**fields)
    return Workflow.objects.get(id=version.workflow_id)


def claim(name: str, **options: Any) -> Claimed:
    """Claim the agent's oldest task; there must be one."""
    agent = Agent.objects.get(name=name)
    claimed = tasks.claim([agent], by=agent.actor, **options)
    assert claimed is not None, f"no task is queued for {name}"
    return claimed


def do(name: str, output: Any) -> AgentTask:
    """Let the agent do its next task with this result, and deliver what follows."""
    claimed = claim(name)
    done = tasks.complete(claimed.task.id, claimed.token, output)
    outbox.drain()
    return done


def question(run: WorkflowRun) -> Approval:
    """The run's open question."""
    steps = Step.objects.filter(run=run, kind="gate").values("id")
    return Approval.objects.get(subject_id__in=steps, status="open")


def vote(run: WorkflowRun, by: User, decision: str, comment: str = "", **fields: Any) -> None:
    approvals.vote(question(run).id, by=by, decision=decision, comment=comment, fields=fields)
    outbox.drain()


def statuses(run: WorkflowRun) -> dict[str, str]:
    """Each step's latest status."""
    return {step.name: str(step.status) for step in Step.objects.filter(run=run)}


def status(run: WorkflowRun) -> str:
    run.refresh_from_db()
    return str(run.status)


def events(run: WorkflowRun) -> list[str]:
    return list(RunEvent.objects.filter(run=run).values_list("name", flat=True))
