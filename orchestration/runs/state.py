"""What the pure engine looks at, read from a locked run."""

from typing import Any

from orchestration.commands import State, StepView
from orchestration.definitions import Definition
from orchestration.journal import Journal
from orchestration.models import Step, WorkflowRun


def of(journal: Journal, steps: dict[str, Step]) -> State:
    """The run's state, with the variables that expressions read."""
    run = journal.run
    return State(
        status=run.status,
        step_by_step=run.step_by_step,
        input=_declared(journal.definition) | run.input,
        project=project_variable(run),
        run=run_variable(run),
        steps={name: view(step) for name, step in steps.items()},
        now=journal.now,
    )


def view(step: Step) -> StepView:
    return StepView(
        id=step.id,
        name=step.name,
        iteration=step.iteration,
        status=step.status,
        attempt=step.attempt,
        input=step.input,
        output=step.output,
        error=step.error,
        due_at=step.due_at,
    )


def _declared(definition: Definition) -> dict[str, Any]:
    """Each declared property as null, so that an expression may name one that wasn't given."""
    return dict.fromkeys(definition.input.get("properties", {}))


def project_variable(run: WorkflowRun) -> dict[str, Any] | None:
    project = run.project
    if project is None:
        return None
    return {
        "name": project.name,
        "team": project.team.name,
        "rev": project.rev,
        "status": project.status,
        "next_step": project.next_step,
    }


def run_variable(run: WorkflowRun) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "workflow": run.workflow_name,
        "version": run.workflow_version.version,
        "environment": run.environment,
        "started_by": run.started_by_name,
    }
