"""A worker's way through a run's tool steps, without a trip through the broker in between."""

from uuid import UUID

from orchestration import calling
from orchestration.models import Step
from orchestration.models.runs import StepStatus
from orchestration.runs.advancing import advance


def perform(step_id: UUID) -> None:
    """Make the step's call, and then those of the steps that this makes ready: the receiver of
    `step.run`. Delivered twice, it acts once: the claim is a conditional update."""
    following: UUID | None = step_id
    while following is not None:
        order = calling.claim(following)
        if order is None:
            return
        calling.make(order)
        advance(order.step.run_id)
        ready = Step.objects.filter(
            run_id=order.step.run_id, kind="tool", status=StepStatus.READY
        ).exclude(id=following)
        following = ready.values_list("id", flat=True).first()
