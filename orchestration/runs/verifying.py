"""Reading a run's history for the checker."""

from uuid import UUID

from orchestration import definitions
from orchestration.models import RunEvent, Step, WorkflowRun
from orchestration.runs import history


def verify(run_id: UUID) -> list[str]:
    """What is wrong with the run's history; empty when it is sound. Raises DoesNotExist."""
    run = WorkflowRun.objects.select_related("workflow_version").get(id=run_id)
    rows = Step.objects.filter(run=run)
    events = RunEvent.objects.filter(run=run).order_by("seq")
    return history.faults(
        history.History(
            status=str(run.status),
            last_seq=run.last_seq,
            events=[
                history.Event(each.seq, each.name, each.step, each.iteration, each.data, each.at)
                for each in events
            ],
            steps={(row.name, row.iteration): str(row.status) for row in rows},
            definition=definitions.of_version(run.workflow_version),
        )
    )
