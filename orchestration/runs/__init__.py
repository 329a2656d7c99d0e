"""Runs of workflows: started, advanced, steered, forked and recovered."""

from orchestration.runs.advancing import advance
from orchestration.runs.performing import perform
from orchestration.runs.recovery import recover
from orchestration.runs.starting import fork, start, version_of
from orchestration.runs.steering import cancel, resume
from orchestration.runs.verifying import verify

__all__ = [
    "advance",
    "cancel",
    "fork",
    "perform",
    "recover",
    "resume",
    "start",
    "verify",
    "version_of",
]
