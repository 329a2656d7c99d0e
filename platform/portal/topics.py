"""The table of outbox topics: which function receives what."""

from uuid import UUID

from kernel import outbox

from governance import curation
from governance.models import Approval
from orchestration import calls, gates, runs, upstreams
from orchestration.runtimes import starter
from portal.celery import deliver
from registry.discovery import rebuild


def approval_closed(approval_id: UUID) -> None:
    """Tell whoever asked: a run's gate, a parked call, or a proposed tool."""
    kind = Approval.objects.filter(id=approval_id).values_list("kind", flat=True).first()
    if kind == gates.KIND:
        gates.closed(approval_id)
    elif kind == "tool_call":
        calls.resume(approval_id)
    elif kind == curation.KIND:
        curation.decided(approval_id)


def tools_written(subject_id: UUID) -> None:
    """Make the vectors of tools that are searched by other words now."""
    rebuild.embed_waiting()


RECEIVERS: dict[str, outbox.Receiver] = {
    "run.advance": runs.advance,
    "step.run": runs.perform,
    "task.launch": starter.launch,
    "approval.closed": approval_closed,
    "proposal.submitted": curation.submitted,
    "proposal.closed": curation.closed,
    "tool.embed": tools_written,
    "upstream.sync": upstreams.deliver,
}

# Agents, calls and engine have pools of their own, so that no slot waits for another of its pool.
QUEUES: dict[str, str] = {
    "run.advance": "engine",
    "step.run": "calls",
    "task.launch": "agents",
    "approval.closed": "calls",
    "proposal.submitted": "engine",
    "proposal.closed": "engine",
    "tool.embed": "engine",
    "upstream.sync": "calls",
}


def wire() -> None:
    """Plug the receivers and the nudge into the outbox."""
    outbox.wiring.receivers.update(RECEIVERS)
    outbox.wiring.nudge = nudge


def nudge(row_id: UUID, topic: str) -> None:
    """Wake a worker for one row. Messages carry ids only."""
    deliver.apply_async((str(row_id),), queue=QUEUES.get(topic, "engine"), retry=False)
