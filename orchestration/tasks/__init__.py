"""Agent tasks: queued, claimed with a lease and a fencing token, reported, recovered."""

from orchestration.tasks.claiming import Claimed, claim, claim_one
from orchestration.tasks.ending import end
from orchestration.tasks.queueing import queue, queue_step
from orchestration.tasks.recovery import lose, recover, release
from orchestration.tasks.reporting import Beat, complete, event, fail, heartbeat
from orchestration.tasks.tokens import StaleToken, live

__all__ = [
    "Beat",
    "Claimed",
    "StaleToken",
    "claim",
    "claim_one",
    "complete",
    "end",
    "event",
    "fail",
    "heartbeat",
    "live",
    "lose",
    "queue",
    "queue_step",
    "recover",
    "release",
]
