"""A run under its lock: its row, its steps, and the events that this transaction adds.

Whoever changes anything of a run opens its journal first, so that all changes of one run happen one
after the other and its events' numbers are dense.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from kernel import clock, crash, outbox
from kernel.actor import Actor
from kernel.models import Outbox

from orchestration import definitions
from orchestration.definitions import Definition
from orchestration.models import RunEvent, Step, WorkflowRun
from orchestration.models.runs import RUN_ENDED

ADVANCE = "run.advance"


class Journal:
    """The locked run. `now` is read once, when the lock is had."""

    def __init__(self, run: WorkflowRun, now: datetime) -> None:
        self.run, self.now = run, now
        self._events: list[RunEvent] = []

    @property
    def definition(self) -> Definition:
        return definitions.of_version(self.run.workflow_version)

    @property
    def is_over(self) -> bool:
        return self.run.status in RUN_ENDED

    @property
    def starter(self) -> Actor:
        """Whoever started the run: the requester of its gates."""
        run = self.run
        return Actor(kind=run.started_by_kind, id=run.started_by_id, name=run.started_by_name)  # type: ignore[arg-type]

    def steps(self) -> dict[str, Step]:
        """The latest iteration of each step, in order."""
        return {step.name: step for step in Step.objects.filter(run=self.run)}

    def record(self, name: str, step: Step | None = None, /, **data: Any) -> None:
        """Add an event; it gets the run's next number when the journal closes."""
        self.run.last_seq += 1
        self._events.append(
            RunEvent(
                run=self.run,
                team_id=self.run.team_id,
                seq=self.run.last_seq,
                name=name,
                step=step.name if step else "",
                iteration=step.iteration if step else 0,
                data=data,
                at=self.now,
            )
        )

    def nudge(self, at: datetime | None = None) -> None:
        """Have the run looked at again once this is committed, or at the given moment."""
        outbox.put(ADVANCE, self.run.id, due_at=at)

    def write(self) -> None:
        if self._events:
            RunEvent.objects.bulk_create(self._events)
            self.run.save(update_fields=["last_seq"])


@contextmanager
def opened(run_id: UUID) -> Iterator[Journal]:
    """The run's journal, under its lock, in one transaction. Raises WorkflowRun.DoesNotExist."""
    with transaction.atomic():
        runs = WorkflowRun.objects.select_for_update(of=("self",))
        run = runs.select_related("workflow_version", "project__team").get(id=run_id)
        journal = Journal(run, clock.now())
        yield journal
        journal.write()
        crash.point("journal.uncommitted")
    crash.point("journal.committed")


def wake(topic: str, subject_id: UUID) -> bool:
    """Ask for delivery, unless a message about it is due already: for recovery."""
    now = clock.now()
    if Outbox.objects.filter(topic=topic, subject_id=subject_id, due_at__lte=now).exists():
        return False
    outbox.put(topic, subject_id)
    return True
