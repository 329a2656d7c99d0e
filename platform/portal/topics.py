"""The table of outbox topics: which function receives what."""

from uuid import UUID

from kernel import outbox

from portal.celery import deliver

RECEIVERS: dict[str, outbox.Receiver] = {}

# Agents, calls and engine have pools of their own, so that no slot waits for another of its pool.
QUEUES: dict[str, str] = {}


def wire() -> None:
    """Plug the receivers and the nudge into the outbox."""
    outbox.wiring.receivers.update(RECEIVERS)
    outbox.wiring.nudge = nudge


def nudge(row_id: UUID, topic: str) -> None:
    """Wake a worker for one row. Messages carry ids only."""
    deliver.apply_async((str(row_id),), queue=QUEUES.get(topic, "engine"), retry=False)
