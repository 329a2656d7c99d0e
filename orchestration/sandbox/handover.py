"""What a launcher gives to the platform when its sandbox is booted: how to open it, and its end.

With both, no launcher stands in a call's way: the platform opens the gate, and reads for itself
what bubblewrap says of the program's end while the launcher clears away.
"""

from __future__ import annotations

import marshal
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from orchestration.sandbox.cgroups import Group
from orchestration.sandbox.confinement import Cgroups
from orchestration.sandbox.launcher import told

LONGEST = 4096
GIVEN = 3


@dataclass(frozen=True)
class Booted:
    """A sandbox at its gate.

    `before` are the processor's seconds that the start took, 0 where no cgroup counts them. The
    rest are file descriptors: `gate` opens it, `status` has bubblewrap's word on the program's end,
    `below` the processes directly under the sandbox's first.
    """

    before: float
    gate: int
    status: int
    below: int

    def open(self) -> None:
        """Lets the program begin; what is dead by now can't, and its end tells."""
        with suppress(BrokenPipeError):
            os.write(self.gate, b"g")

    def close(self) -> None:
        for fd in (self.gate, self.status, self.below):
            os.close(fd)


def booted(control: int) -> Booted | None:
    """What the launcher says at the gate, for which it has to be there already; None if nothing."""
    with socket.socket(fileno=os.dup(control)) as channel:
        message, fds, _, _ = socket.recv_fds(channel, LONGEST, GIVEN, socket.MSG_CMSG_CLOEXEC)
    if not message or len(fds) != GIVEN:
        for fd in fds:
            os.close(fd)
        return None
    # Same interpreter on both ends, and the sender is our own launcher.
    before: float = marshal.loads(message)  # noqa: S302
    return Booted(before, *fds)


class End:
    """Sees how a program ended: at once if nothing else lives in its sandbox.

    `exit_code` is None until it is known. `report` is what the launcher would say, None where that
    has to be waited for: something else is alive, or no cgroup counts the processor's time.
    """

    def __init__(self, booted: Booted, groups: tuple[Group, ...]) -> None:
        self.fd = booted.status
        self.exit_code: int | None = None
        self.report: dict[str, Any] | None = None
        self._booted = booted
        # Not `asdict`, which copies all that is in there, on the caller's time.
        self._cgroups = Cgroups([vars(group) for group in groups])

    def begin(self) -> None:
        """Opens the gate, and counts the job's time from here."""
        self._began = time.monotonic()
        self._booted.open()

    def look(self) -> None:
        """Reads what was said, without waiting for it."""
        os.set_blocking(self.fd, False)
        try:
            said = os.read(self.fd, LONGEST)
        except BlockingIOError:
            return
        wall = time.monotonic() - self._began
        report = told("exited", said, 0, self._cgroups)
        self.exit_code = report["exit_code"]
        if self.exit_code is None or not self._booted.before or not self._alone():
            return
        cpu = self._cgroups.cpu_seconds() - self._booted.before
        # A launcher that had a reason to end it may have cleared away meanwhile.
        if self._cgroups.whole():
            self.report = report | {"wall": wall, "cpu": cpu}

    def _alone(self) -> bool:
        """Whether the program was the last: every orphan in there is a child of the first."""
        try:
            return not os.pread(self._booted.below, LONGEST, 0).strip()
        except ProcessLookupError:
            # The first has ended, and the kernel lets it go last.
            return True
