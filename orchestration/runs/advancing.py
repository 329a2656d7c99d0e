"""Moving a run on: the one function behind every delivery, timer and recovery."""

from uuid import UUID

import structlog
from django.db import DatabaseError

from orchestration import calling, commands, journal
from orchestration.journal import Journal
from orchestration.models import WorkflowRun
from orchestration.models.runs import RunStatus
from orchestration.runs import applying, state

log = structlog.get_logger(__name__)

MOST_ROUNDS = 1_000


def advance(run_id: UUID) -> None:
    """Bring the run as far as it goes without waiting: the receiver of `run.advance`.

    In one transaction, with the run locked: read the state, ask for commands, apply them, until
    none is left. It may be called twice, late or for nothing.
    """
    try:
        with journal.opened(run_id) as opened:
            drive(opened)
    except WorkflowRun.DoesNotExist:
        log.warning("run.gone", run=str(run_id))
    except DatabaseError:
        # It passes; the message is delivered again.
        raise
    except Exception as error:
        log.exception("run.stuck", run=str(run_id))
        _park(run_id, error)


def _park(run_id: UUID, error: Exception) -> None:
    """What the engine can't do now it couldn't do the next time either: a person should see it."""
    with journal.opened(run_id) as opened:
        if not opened.is_over and opened.run.status != RunStatus.PAUSED:
            why = f"The engine failed: {type(error).__name__}: {error}. Resume to try again."
            applying.settle(opened, RunStatus.PAUSED, why[:2000])


def drive(opened: Journal) -> None:
    """Apply commands until the run has to wait. Raises RuntimeError where it never would."""
    if not opened.is_over:
        calling.absorb(opened, opened.steps())
    for _ in range(MOST_ROUNDS):
        rows = opened.steps()
        needed = commands.next_commands(opened.definition, state.of(opened, rows))
        if not needed:
            return
        for command in needed:
            applying.apply(opened, rows, command)
    raise RuntimeError(f"run {opened.run.id} needs more than {MOST_ROUNDS} rounds")
