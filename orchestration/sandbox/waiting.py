"""The launcher of a warm sandbox: it boots the interpreter inside, says so, and waits to be used.

`warm.py` starts it. What runs inside is the job's own command: a gate, laid where Python looks for
a `sitecustomize`, holds the interpreter after its start and before it opens its program. So what
is warm runs the same way as what is cold, only later. The order of events:

1. as `launcher.py` does, up to bubblewrap's start; 2. wait until the gate is reached, take the gate
away and tell the platform, with what it needs to open it and to see the program's end; 3. wait for
the hand-over: limits, and the slot to hold; 4. put the limits in force and say so, upon which the
platform opens the gate; 5. watch time, memory, disk and the platform; 6. when the sandbox has ended
or the platform lets go, kill and reap; 7. report, if anybody still listens (mostly the platform has
seen the end for itself), let go of the slot, remove the cgroups.
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
# as if there had been no such module. Of the two names `site` asks for the second last of all; the
# first lets it be the gate where it will be asked for and found in the same directory.
#
# What the start has loaded goes to the collector's permanent generation, as one does before a fork:
# at its end an interpreter looks at all of it four times over, in vain and on the caller's time.
# The program's own names stay outside. If it put something into the start's modules or classes, all
# comes back before they are taken down, so that what it put there is finalized as ever.
GATE = """
import posix, sys
from _frozen_importlib_external import PathFinder
if __name__ == "sitecustomize" and sys.modules["site"].ENABLE_USER_SITE:
    last = PathFinder.find_spec("usercustomize")
    if last and last.origin == __file__.removesuffix(__name__ + ".py") + "usercustomize.py":
        raise ImportError("there is no such module", name=__name__)
def settle(main):
    kept = sys.modules.copy()
    import gc
    from _operator import is_not
    from _weakref import ref
    for name in sys.modules.keys() - kept.keys():
        del sys.modules[name]
    for name in ("sys", "builtins", "__main__", __name__):
        del kept[name]
    places = [vars(each) for each in kept.values() if isinstance(each, type(sys))]
    places += [vars(each) for each in gc.get_objects() if issubclass(type(each), type)]
    # What `site` still defines after this, below its own call.
    more = (vars(kept["site"]), "_script")
    before = [(place, [*place.values()]) for place in places]
    def ended(_, before=before, more=more, changed=is_not, thaw=gc.unfreeze):
        for place, values in before:
            found = [*place.values()]
            if place is more[0] and len(found) == len(values) + 1 and more[1] in place:
                found.pop()
            if len(found) != len(values) or any(map(changed, found, values)):
                thaw()
                break
    names = vars(main)
    copy = dict(names)
    names.clear()
    gc.collect()
    held = [ref(main, ended)]
    held.append(held)
    gc.freeze()
    names.update(copy)
    if not any(each is names for each in gc.get_objects()):
        gc.unfreeze()
settle(sys.modules["__main__"])
del settle
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


def launch(spec: Spec) -> None:
    """Runs what is handed over, and answers; nothing of both if nothing ever is."""
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    gate = Gate(spec["gate"])
    if spec["uid"] is not None:
        Stage(spec["stage"], spec["sources"], spec["uid"])
    cgroups = Cgroups(spec["cgroups"])
    try:
        cgroups.make()
        supervise(spec, cgroups, gate)
    finally:
        cgroups.remove()


def supervise(spec: Spec, cgroups: Cgroups, gate: Gate) -> None:
    spec["inherited"] = [gate.theirs]
    # Limits of the user's processes come with the hand-over, not with the namespace.
    limit, spec["processes"] = spec["processes"], None
    child, status, _ = start(spec, cgroups)
    spec["processes"] = limit
    run = None
    try:
        if gate.reached(interrupted=[spec["control"], spec["asked"]]):
            ready = Run(spec, cgroups, child)
            ready.tell(gate, status)
            if handed_over(spec, ended=ready.watch.pidfd):
                run = ready
                run.begin()
                run.followed()
    finally:
        ended = end_everything(child, cgroups)
    if run is not None:
        run.over(ended)
        os.close(spec["slot"])


class Run:
    """The one call of this sandbox, prepared before it comes."""

    def __init__(self, spec: Spec, cgroups: Cgroups, child: int) -> None:
        self.spec, self.cgroups = spec, cgroups
        self.first, self.program = inside(child)
        self.watch = Watch(spec, cgroups, child, time.monotonic())
        self.before = cgroups.cpu_seconds()

    def tell(self, gate: Gate, status: int) -> None:
        """Says that the gate is reached, and hands over how the end is seen. See `handover.py`."""
        # What bubblewrap said at its own start; the next word is the program's end.
        os.read(status, LONGEST)
        path = f"/proc/{self.first}/task/{self.first}/children"
        below = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        given = b"".join(fd.to_bytes(4, "little") for fd in (gate.ours, status, below))
        channel = _socket.socket(fileno=os.dup(self.spec["control"]))
        told = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, given)]
        channel.sendmsg([marshal.dumps(self.before)], told)
        channel.close()
        # They are the platform's alone from here.
        for fd in (gate.ours, status, below):
            os.close(fd)

    def begin(self) -> None:
        if self.spec["adjusted"] is not None:
            self.cgroups.adjust(self.spec["adjusted"])
        limit(self.program, self.spec)
        self.watch.begin(time.monotonic())
        os.write(self.spec["control"], b"b")

    def followed(self) -> None:
        self.reason = self.watch.until_over()
        self.wall = time.monotonic() - self.watch.started

    def over(self, ended: int) -> None:
        """Every process is dead."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        counted = self.cgroups.cpu_seconds()
        cpu = counted - self.before if counted else used.ru_utime + used.ru_stime
        # The platform has read what bubblewrap said of the program's end.
        report = told(self.reason, b"", ended, self.cgroups)
        answer(self.spec, report | {"wall": self.wall, "cpu": cpu})
        os.close(self.spec["result"])


def handed_over(spec: Spec, *, ended: int) -> bool:
    """Waits for a call, and takes up what is said of it. False when there will be none any more.

    `ended` is readable when the sandbox is dead.
    """
    channel = _socket.socket(fileno=os.dup(spec["control"]))
    ready, _, _ = select.select([channel, spec["asked"], ended], [], [])
    if channel not in ready or spec["asked"] in ready:
        return False
    room = _socket.CMSG_SPACE(4)
    message, extra, _, _ = channel.recvmsg(LONGEST, room, _socket.MSG_CMSG_CLOEXEC)
    channel.close()
    if not message or not extra:
        return False
    spec["slot"] = int.from_bytes(extra[0][2], "little")
    spec |= marshal.loads(message)  # noqa: S302
    return True


def inside(child: int) -> tuple[int, int]:
    """The sandbox's pid 1 and the program, as they are called outside."""
    [first] = children(child)
    [program] = children(first)
    return first, program


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


def main() -> None:
    spec = taken_up()
    try:
        launch(spec)
    except (OSError, ValueError) as error:
        answer(spec, {"error": f"{type(error).__name__}: {error}"})
    os._exit(0)
