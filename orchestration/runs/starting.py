"""Starting a run, and forking one from a step of another."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from kernel import clock, schemas
from kernel.actor import Actor
from kernel.problems import Conflict, Forbidden, Invalid, Issue, NotFound

from context.models import Project
from orchestration import definitions, journal
from orchestration.definitions import Definition
from orchestration.models import Step, Workflow, WorkflowRun, WorkflowVersion
from orchestration.models.runs import RunStatus, StepStatus
from orchestration.runs import applying
from registry.models import Team


def start(
    workflow: Workflow,
    *,
    input: Mapping[str, Any],
    project: Project | None,
    by: Actor,
    version: str | None = None,
    step_by_step: bool = False,
    environment: str = "staging",
) -> WorkflowRun:
    """A new run of the workflow's live version, or of the one asked for.

    The project's team owns the run, and without a project the team of whoever starts it. Raises
    NotFound (no such version), Invalid (the input, with pointers), Forbidden.
    """
    published = version_of(workflow, version)
    definition = definitions.of_version(published)
    given = schemas.with_defaults(dict(input), dict(definition.input))
    faults = schemas.faults_of_value(given, dict(definition.input))
    if faults:
        placed = tuple(Issue(f"/input{fault.pointer}", fault.message) for fault in faults)
        told = "; ".join(f"{issue.pointer}: {issue.message}" for issue in placed[:5])
        raise Invalid(f"The input doesn't fit workflow {workflow.name}: {told}", errors=placed)
    run = WorkflowRun(
        workflow_version=published,
        workflow_name=workflow.name,
        team_id=team_of(workflow, project, by),
        project=project,
        environment=environment,
        input=given,
        step_by_step=step_by_step,
        started_by_kind=by.kind,
        started_by_id=by.id,
        started_by_name=by.name,
        baseline_minutes=definition.baseline_minutes,
        created_at=clock.now(),
    )
    with transaction.atomic():
        _lay_out(run, definition)
        with journal.opened(run.id) as opened:
            opened.record("run.started", by=by.reference, version=published.version)
            applying.note(opened, "run.started", version=published.version, by=by.reference)
            opened.nudge()
    run.refresh_from_db()
    return run


def version_of(workflow: Workflow, version: str | None) -> WorkflowVersion:
    """The published version, the live one when none is named. Raises NotFound."""
    if version is None and workflow.live_version is not None:
        return workflow.live_version
    rows = workflow.versions.filter(version=version)
    found: WorkflowVersion | None = rows.first() if version else None
    if found is None:
        known = ", ".join(workflow.versions.values_list("version", flat=True)[:10])
        raise NotFound(
            f"Workflow {workflow.name} has no published version {version or ''}".rstrip()
            + (f"; there are {known}." if known else "; publish it first.")
        )
    return found


def team_of(workflow: Workflow, project: Project | None, by: Actor) -> UUID:
    """The team that the run belongs to. Raises Forbidden for who works for no such team."""
    if project is not None:
        if by.is_platform or project.team_id in by.teams:
            return project.team_id
        raise Forbidden(f"Only team {project.team.name} starts runs on project {project.name}.")
    if by.is_platform or workflow.team_id in by.teams:
        return workflow.team_id
    if len(by.teams) == 1:
        return next(iter(by.teams))
    if by.teams:
        names = ", ".join(Team.objects.filter(id__in=by.teams).values_list("name", flat=True))
        raise Invalid(f"Name a project: you are in several teams ({names}).")
    raise Forbidden("You are in no team, and a run belongs to one.")


def _lay_out(run: WorkflowRun, definition: Definition) -> None:
    run.save(force_insert=True)
    Step.objects.bulk_create(
        Step(
            run=run,
            team_id=run.team_id,
            name=node.name,
            kind=node.kind,
            position=node.position,
            created_at=run.created_at,
        )
        for node in definition.steps
    )


def fork(run_id: UUID, step: str, *, by: Actor) -> WorkflowRun:
    """A new run on the same version that begins at `step`, with the outputs of what came before.

    What rests on `step` is done anew; everything else keeps its outcome. Raises NotFound (no such
    step), Conflict (something before it hasn't ended).
    """
    source = WorkflowRun.objects.select_related("workflow_version", "project").get(id=run_id)
    definition = definitions.of_version(source.workflow_version)
    if step not in definition.by_name:
        known = ", ".join(definition.by_name)
        raise NotFound(f"The run has no step {step!r}; there are {known}.")
    anew = {node.name for node in definition.from_on(step)}
    with transaction.atomic():
        kept = _kept(source, anew)
        run = _copy(source, by)
        _lay_out(run, definition)
        with journal.opened(run.id) as opened:
            opened.record("run.started", by=by.reference, forked_from=str(source.id), step=step)
            for row in opened.steps().values():
                if row.name in kept:
                    _keep(row, kept[row.name])
                    opened.record("step.copied", row, status=row.status, of=str(source.id))
            applying.note(opened, "run.forked", of=str(source.id), step=step)
            opened.nudge()
    run.refresh_from_db()
    return run


def _kept(source: WorkflowRun, anew: set[str]) -> dict[str, Step]:
    latest = {row.name: row for row in Step.objects.filter(run=source)}
    kept = {name: row for name, row in latest.items() if name not in anew}
    for row in kept.values():
        if row.status not in (StepStatus.SUCCEEDED, StepStatus.SKIPPED):
            raise Conflict(
                f"Step {row.name} is {row.status}; fork from it, or wait until it ended."
            )
    return kept


def _copy(source: WorkflowRun, by: Actor) -> WorkflowRun:
    return WorkflowRun(
        workflow_version=source.workflow_version,
        workflow_name=source.workflow_name,
        team_id=source.team_id,
        project=source.project,
        environment=source.environment,
        input=source.input,
        step_by_step=source.step_by_step,
        forked_from=source.id,
        started_by_kind=by.kind,
        started_by_id=by.id,
        started_by_name=by.name,
        baseline_minutes=source.baseline_minutes,
        status=RunStatus.QUEUED,
        created_at=clock.now(),
    )


def _keep(row: Step, source: Step) -> None:
    row.status, row.input, row.output = source.status, source.input, source.output
    row.started_at, row.finished_at = source.started_at, source.finished_at
    row.save(update_fields=["status", "input", "output", "started_at", "finished_at"])
