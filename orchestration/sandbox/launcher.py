"""The sandbox's launcher: a program of its own that starts one job, watches it and ends it.

`conversation.py` starts it, once per job; `waiting.py` does the same with a pause in between. It
is single-threaded, so it may fork; it imports only what starts fast. Standard input, output and
error are the job's and pass straight through. The order of events:

1. read the spec from the file descriptor in argv; 2. as root, stage the sources in a private mount
namespace; 3. make the cgroups; 4. fork, enter the cgroups, set limits, drop to the slot's user,
become bubblewrap; 5. watch time, memory, disk and the platform; 6. kill and reap everything;
7. remove the cgroups, write the report.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import marshal
import os
import resource
import select
import sys
import time

from orchestration.sandbox.confinement import Cgroups, kill, write
from orchestration.sandbox.stage import Stage
from orchestration.sandbox.system import (
    CLONE_NEWPID,
    CLONE_NEWUSER,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    check,
    libc,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

SIGKILL, SIGPIPE, SIGTERM, SIGXFSZ = 9, 13, 15, 25
TICK_MS = 50
WATCH_EVERY = 5


def enclose(spec: Spec) -> bool:
    """Makes the next child pid 1 of a namespace, so that with it all that is below it dies.

    bubblewrap's own ties have a gap: killed before its inner half has asked to die with it, it
    leaves that behind. False where an unprivileged user may not (AppArmor on Ubuntu); there
    bubblewrap's ties have to do.
    """
    if spec["uid"] is not None:
        check(libc.unshare(CLONE_NEWPID), "unshare the pid namespace")
        return True
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0:
        return False
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{uid} {uid} 1")
    write("/proc/self/gid_map", f"{gid} {gid} 1")
    return True


def become_bubblewrap(spec: Spec, cgroups: Cgroups, inherited: list[int]) -> None:
    """In the forked child: everything that has to be true before the first untrusted byte runs."""
    cgroups.enter()
    write("/proc/self/oom_score_adj", "1000")
    for kind, soft, hard in spec["rlimits"]:
        resource.setrlimit(kind, (soft, hard))
    if spec["uid"] is not None:
        os.setgroups([])
        os.setresgid(spec["uid"], spec["uid"], spec["uid"])
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    # After the change of user, which clears it.
    check(libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl")
    os.close(spec["alive"][1])
    if select.select([spec["alive"][0]], [], [], 0)[0]:
        # The launcher died before it could be tied to.
        os._exit(1)
    # Python ignores these two, and what is ignored stays so in the job.
    libc.signal(SIGPIPE, None)
    libc.signal(SIGXFSZ, None)
    os.umask(0o022)
    for fd in inherited:
        os.set_inheritable(fd, True)
    # An empty environment: the job can read that of its pid 1, which is bubblewrap.
    os.execve(spec["bwrap"], ["bwrap", *spec["argv"]], {})  # noqa: S606


class Watch:
    """Waits for the job's end, or for a reason to end it."""

    def __init__(self, spec: Spec, cgroups: Cgroups, child: int, started: float) -> None:
        self.spec, self.cgroups = spec, cgroups
        self.begin(started)
        self.pidfd = os.pidfd_open(child)
        self.sizes = {path: size_of(path) for path in spec["watched"]}
        self.poll = select.poll()
        self.poll.register(self.pidfd, select.POLLIN)
        self.poll.register(spec["control"], select.POLLIN)
        self.poll.register(spec["asked"], select.POLLIN)

    def begin(self, started: float) -> None:
        """Counts the job's time from here."""
        self.started, self.deadline = started, started + self.spec["wall"]

    def until_over(self) -> str:
        for turn in range(1, sys.maxsize):
            left = int((self.deadline - time.monotonic()) * 1000) + 1
            events = dict(self.poll.poll(max(0, min(TICK_MS, left))))
            if self.pidfd in events:
                return "exited"
            if self.spec["asked"] in events:
                return "orphaned"
            if self.spec["control"] in events:
                told = os.read(self.spec["control"], 1)
                return "output" if told == b"o" else "orphaned"
            if time.monotonic() >= self.deadline:
                return "time"
            if self.cgroups.out_of_memory():
                return "memory"
            if os.getppid() != self.spec["parent"]:
                return "orphaned"
            if turn % WATCH_EVERY == 0 and self.outgrown():
                return "disk"
        return "time"

    def outgrown(self) -> bool:
        grown = sum(size_of(path) - size for path, size in self.sizes.items())
        return bool(grown > self.spec["disk"])


def size_of(top: str) -> int:
    """Bytes on disk below `top`; what vanishes meanwhile counts as nothing."""
    total = 0
    for _, _, files, fd in os.fwalk(top, follow_symlinks=False, onerror=lambda _: None):
        for name in files:
            try:
                total += os.stat(name, dir_fd=fd, follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
    return total


def end_everything(child: int, cgroups: Cgroups) -> int:
    """Kills and reaps until no process of the job is left; returns bubblewrap's wait status.

    The launcher is a subreaper, so that all that was orphaned is its child by now.
    """
    status = 0
    kill(child)
    cgroups.kill()
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == child:
            status = ended
        if pid == 0:
            for orphan in children():
                kill(orphan)
            time.sleep(0.0005)


def children(of: int | None = None) -> list[int]:
    pid = of or os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def exit_code_in(status: bytes) -> int | None:
    """The program's exit code, which bubblewrap writes only if the program was started at all."""
    _, found, after = status.partition(b'"exit-code": ')
    return int(after.split()[0]) if found else None


def hold_processes(status: int, block: int, spec: Spec) -> bytes:
    """Limits the processes of the new user namespace alone, before the program starts in it.

    Set any earlier, the limit would count everything that the platform's own user runs.
    """
    first = os.read(status, 4096)
    _, found, after = first.partition(b'"child-pid": ')
    limit = spec["processes"]
    try:
        if found:
            resource.prlimit(int(after.split(b",")[0]), resource.RLIMIT_NPROC, (limit, limit))
            os.write(block, b".")
    except (ProcessLookupError, BrokenPipeError):
        # It is gone already; its exit tells the rest.
        return first
    return first


def launch(spec: Spec) -> Spec:
    """Runs the job that `spec` describes, and tells how it ended."""
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    stage = Stage(spec["stage"], spec["sources"], spec["uid"]) if spec["uid"] is not None else None
    cgroups = Cgroups(spec["cgroups"])
    try:
        cgroups.make()
        report = supervise(spec, cgroups)
    finally:
        cgroups.remove()
        if stage is not None:
            stage.take_back()
    return report


def supervise(spec: Spec, cgroups: Cgroups) -> Spec:
    started = time.monotonic()
    child, status, first = start(spec, cgroups)
    try:
        reason = Watch(spec, cgroups, child, started).until_over()
        wall = time.monotonic() - started
    finally:
        ended = end_everything(child, cgroups)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = told(reason, first + os.read(status, 4096), ended, cgroups)
    cpu = max(cgroups.cpu_seconds(), used.ru_utime + used.ru_stime)
    return report | {"wall": wall, "cpu": cpu}


def told(reason: str, status: bytes, ended: int, cgroups: Cgroups) -> Spec:
    """How the job ended, from what bubblewrap and the cgroups say."""
    return {
        "reason": "memory" if cgroups.out_of_memory() else reason,
        "exit_code": exit_code_in(status),
        "status": os.waitstatus_to_exitcode(ended),
        "peak": cgroups.peak(),
    }


def start(spec: Spec, cgroups: Cgroups) -> tuple[int, int, bytes]:
    """Forks bubblewrap; returns its pid, the pipe of its status, and what was read of that."""
    arguments, seccomp = in_memory(spec["options"]), in_memory(spec["filter"])
    status_read, status_write = os.pipe()
    block_read, block_write = os.pipe()
    spec["alive"] = os.pipe()
    late = not enclose(spec) and spec["processes"] is not None
    spec["argv"] = [
        *("--args", str(arguments), "--seccomp", str(seccomp)),
        *("--json-status-fd", str(status_write)),
        *(("--block-fd", str(block_read)) if late else ()),
        *("--", *spec["command"]),
    ]
    if spec["processes"] is not None and not late:
        limit = spec["processes"] + 1  # The launcher is in that user namespace too.
        spec["rlimits"].append((resource.RLIMIT_NPROC, limit, limit))
    child = os.fork()
    if child == 0:
        kept = [arguments, seccomp, status_write, block_read, *spec.get("inherited", ())]
        try:
            become_bubblewrap(spec, cgroups, kept)
        except (OSError, ValueError) as error:
            # Standard error is still ours alone, and is read out when bubblewrap never reports.
            os.write(2, f"before its start: {error}".encode())
        finally:
            os._exit(125)
    for fd in (arguments, seccomp, status_write, block_read):
        os.close(fd)
    let_go_of_standard_streams()
    return child, status_read, hold_processes(status_read, block_write, spec) if late else b""


def in_memory(content: bytes) -> int:
    fd = os.memfd_create("gatehouse", os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def let_go_of_standard_streams() -> None:
    """Held open here, they would never end for the one who reads them."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def taken_up() -> Spec:
    """The spec, as the platform's half sent it."""
    with open(int(sys.argv[1]), "rb", closefd=False) as file:
        # Same interpreter on both ends, and the sender is the platform.
        spec: Spec = marshal.load(file)  # noqa: S302
    for fd in spec["fds"]:
        os.set_inheritable(fd, False)
    spec["asked"] = end_in_order()
    return spec


def end_in_order() -> int:
    """Makes SIGTERM, which a service's end sends to all of it, readable; a pipe tells of it."""
    asked, noted = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    _signal.set_wakeup_fd(noted)
    # Anything but "ignored": what is ignored stays so in the job.
    _signal.signal(SIGTERM, lambda *_: None)
    return asked


def answer(spec: Spec, report: Spec) -> None:
    try:
        os.write(spec["result"], marshal.dumps(report))
    except BrokenPipeError:
        # Nobody is left to read it.
        return


def main() -> None:
    spec = taken_up()
    try:
        report = launch(spec)
    except (OSError, ValueError) as error:
        report = {"error": f"{type(error).__name__}: {error}"}
    answer(spec, report)
    # Taking the interpreter down in order costs 4 ms, on the caller's time.
    os._exit(0)
