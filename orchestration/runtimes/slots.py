"""A bound on how many of something run on this machine: one locked file each.

The kernel lets go of a lock when its process ends, however it ends, so no slot is ever leaked.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Slot:
    """A held slot."""

    descriptor: int

    def release(self) -> None:
        """Give the slot back; twice does no harm."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def take(folder: Path, count: int) -> Slot | None:
    """One of `count` slots, or None when all are held."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        descriptor = os.open(
            folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return Slot(descriptor)
    return None
