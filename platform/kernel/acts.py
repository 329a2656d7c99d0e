"""Acts of the lower layers that the audit log tells of.

A register like the others here: `governance` plugs in how an act is recorded, and a layer below it
records without knowing the log. Where nobody records, the act itself is refused: nothing happens
unseen.
"""

from collections.abc import Callable
from typing import Any

Recorder = Callable[..., Any]


class NobodyRecords(RuntimeError):
    """An act was to be recorded before the audit log was plugged in."""


_recorders: list[Recorder] = []


def record_with(recorder: Recorder) -> None:
    """Plug in the audit log: `record(event, *, target_kind, target_id, team_id, …)`."""
    _recorders[:] = [recorder]


def record(event: str, **fields: Any) -> None:
    """Record the act, in the transaction of the change. Raises NobodyRecords."""
    if not _recorders:
        raise NobodyRecords(f"{event!r} can't be recorded: no audit log is plugged in")
    _recorders[0](event, **fields)
