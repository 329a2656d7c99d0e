"""The launcher of a warm sandbox: it boots the interpreter inside, says so, and waits to be used.

`warm.py` starts it. What runs inside is the job's own command: a gate, laid where Python looks for
a `sitecustomize`, holds the interpreter after its start and before it opens its program. So what
is warm runs the same way as what is cold, only later. The order of events:

1. as `launcher.py` does, up to bubblewrap's start; 2. wait until the gate is reached, take the gate
away and tell the platform; 3. wait for the hand-over: limits, and the slot to hold; 4. put the
limits in force, open the gate, watch; 5. kill and reap everything, report, let go of the slot;
6. remove the cgroups, on nobody's time.
"""

from __future__ import annotations

import _socket
import marshal
import os
import resource
import select
import time

from orchestration.sandbox.confinement import Cgroups
from orchestration.sandbox.launcher import (
    Watch,
    answer,
    children,
    end_everything,
    start,
    taken_up,
    told,
)
from orchestration.sandbox.stage import Stage
from orchestration.sandbox.system import PR_SET_CHILD_SUBREAPER, check, libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

BOOT_SECONDS = 20
LONGEST = 1 << 16
NAMES = ("sitecustomize.py", "usercustomize.py")
# Runs while the interpreter starts. It leaves nothing behind: to `site`, which asks for it, it is
# as if there had been no such module.
GATE = """
import posix
posix.write(FD, b"r")
if posix.read(FD, 1) != b"g":
    posix._exit(1)
posix.close(FD)
raise ImportError("there is no such module", name=__name__)
"""


class Gate:
    """Where the interpreter waits: a file in a directory of ours, and a socket to it."""

    def __init__(self, folder: str) -> None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self.ours, self.theirs = ours.detach(), theirs.detach()
        # Opened before the stage, which may cover it.
        self.folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in NAMES:
            self.write(name, GATE.replace("FD", str(self.theirs)))

    def write(self, name: str, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(name, flags, 0o444, dir_fd=self.folder)
        os.write(fd, text.encode())
        os.close(fd)

    def reached(self, *, interrupted: list[int]) -> bool:
        """Whether the interpreter came this far. Then the gate's files are gone for good."""
        os.close(self.theirs)
        ready, _, _ = select.select([self.ours, *interrupted], [], [], BOOT_SECONDS)
        came = ready == [self.ours] and os.read(self.ours, 1) == b"r"
        for name in NAMES:
            os.unlink(name, dir_fd=self.folder)
        return came

    def open(self) -> None:
        os.write(self.ours, b"g")
        os.close(self.ours)


def launch(spec: Spec) -> Spec | None:
    """Runs what is handed over, and answers. None if nothing ever was."""
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    gate = Gate(spec["gate"])
    if spec["uid"] is not None:
        Stage(spec["stage"], spec["sources"], spec["uid"])
    cgroups = Cgroups(spec["cgroups"])
    try:
        report = supervise(spec, cgroups, gate)
        if report is not None:
            finished(spec, report)
    finally:
        cgroups.remove()
    return report


def supervise(spec: Spec, cgroups: Cgroups, gate: Gate) -> Spec | None:
    spec["inherited"] = [gate.theirs]
    # Limits of the user's processes come with the hand-over, not with the namespace.
    limit, spec["processes"] = spec["processes"], None
    child, status, _ = start(spec, cgroups)
    spec["processes"] = limit
    watch = None
    try:
        if gate.reached(interrupted=[spec["control"], spec["asked"]]):
            os.write(spec["control"], b"r")
            watch = handed_over(spec, cgroups, child, gate)
        if watch is None:
            return None
        before = cgroups.cpu_seconds()
        gate.open()
        spec["began"] = True
        reason = watch.until_over()
        wall = time.monotonic() - watch.started
    finally:
        ended = end_everything(child, cgroups)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = cgroups.cpu_seconds()
    cpu = counted - before if counted else used.ru_utime + used.ru_stime
    report = told(reason, os.read(status, 4096), ended, cgroups)
    return report | {"wall": wall, "cpu": cpu}


def handed_over(spec: Spec, cgroups: Cgroups, child: int, gate: Gate) -> Watch | None:
    """Waits for a call, and puts its limits in force. None when there will be none any more."""
    channel = _socket.socket(fileno=os.dup(spec["control"]))
    ready, _, _ = select.select([channel, spec["asked"], gate.ours], [], [])
    if ready != [channel]:
        return None
    room = _socket.CMSG_SPACE(4)
    message, extra, _, _ = channel.recvmsg(LONGEST, room)
    channel.close()
    if not message or not extra:
        return None
    spec["slot"] = int.from_bytes(extra[0][2], "little")
    os.set_inheritable(spec["slot"], False)
    spec |= marshal.loads(message)  # noqa: S302
    watch = Watch(spec, cgroups, child, time.monotonic())
    cgroups.adjust(spec["cgroups"])
    limit(interpreter(child), spec)
    return watch


def limit(pid: int, spec: Spec) -> None:
    """Sets the limits of a process of the slot's user.

    Root may do that by its name only with CAP_SYS_RESOURCE, which containers take away; whose real
    user is the same may lower them anyway.
    """
    if spec["uid"] is not None:
        os.setresgid(spec["uid"], 0, 0)
        os.setresuid(spec["uid"], 0, 0)
    for kind, soft, hard in spec["rlimits"]:
        resource.prlimit(pid, kind, (soft, hard))
    if spec["uid"] is not None:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


def interpreter(child: int) -> int:
    """The one process at the end of the chain: bubblewrap, its pid 1, and what that started."""
    last = child
    while below := children(last):
        last = below[0]
    return last


def finished(spec: Spec, report: Spec) -> None:
    """The call is over: nothing of it lives, and what is left to do keeps nobody waiting."""
    answer(spec, report)
    os.close(spec["result"])
    os.close(spec["slot"])


def main() -> None:
    spec = taken_up()
    try:
        launch(spec)
    except (OSError, ValueError) as error:
        began = spec.get("began", False)
        answer(spec, {"error": f"{type(error).__name__}: {error}", "began": began})
    os._exit(0)
