"""The cgroups of one job while it lives: the launcher makes them, and both sides read them.

Part of the launcher: imports only what starts fast.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

SIGKILL = 9
# Of a cgroup's file: some tens of lines.
LONGEST = 1 << 14


class Cgroups:
    """The job's cgroups: made fresh, entered by the child, read, emptied and removed."""

    def __init__(self, groups: list[Spec]) -> None:
        self.groups = groups

    def make(self) -> None:
        for group in self.groups:
            # The slot is ours alone, so what is there was left by a launcher that was killed.
            empty(group["path"])
            os.mkdir(group["path"])
            for file, value, required in group["settings"]:
                try:
                    write(f"{group['path']}/{file}", value)
                except OSError:
                    if required:
                        raise

    def adjust(self, groups: list[Spec]) -> None:
        """Makes the limits those of `groups`, which are the same cgroups with other values."""
        left = [
            (f"{group['path']}/{file}", value, required)
            for present, group in zip(self.groups, groups, strict=True)
            for file, value, required in group["settings"]
            if [file, value, required] not in map(list, present["settings"])
        ]
        self.groups = groups
        # Memory alone may never be above memory with swap, so one of the two orders is refused.
        for last in (False, True):
            left = [each for each in left if not written(*each, last=last)]

    def enter(self) -> None:
        for group in self.groups:
            write(f"{group['path']}/cgroup.procs", "0")

    def out_of_memory(self) -> bool:
        return any(self.number(group, "oom", "oom_kill") for group in self.groups)

    def peak(self) -> int | None:
        found = [self.number(group, "peak", None) for group in self.groups]
        return max((value for value in found if value is not None), default=None)

    def cpu_seconds(self) -> float:
        total = 0.0
        for group in self.groups:
            if group["cpu"]:
                file, scale = group["cpu"]
                value = number_in(f"{group['path']}/{file}", "usage_usec" if scale > 1e-7 else None)
                total = max(total, (value or 0) * scale)
        return total

    def number(self, group: Spec, kind: str, key: str | None) -> int | None:
        return number_in(f"{group['path']}/{group[kind]}", key) if group[kind] else None

    def whole(self) -> bool:
        """Whether all are still there, and so all that was read of them before is true."""
        # Removing begins with the first.
        return not self.groups or os.path.isdir(self.groups[0]["path"])

    def kill(self) -> None:
        for group in self.groups:
            kill_all_in(group["path"])

    def remove(self) -> None:
        for group in self.groups:
            empty(group["path"])


def empty(path: str) -> None:
    """Ends what is in a cgroup, and removes it."""
    for attempt in range(200):
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            kill_all_in(path)
            time.sleep(0.0005 * (attempt + 1))


def written(path: str, value: str, required: bool, *, last: bool) -> bool:
    try:
        write(path, value)
    except OSError:
        if required and last:
            raise
        return False
    return True


def kill_all_in(path: str) -> None:
    try:
        with open(f"{path}/cgroup.procs") as file:
            pids = [int(line) for line in file]
    except OSError:
        return
    for pid in pids:
        kill(pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, SIGKILL)
    except ProcessLookupError:
        return


def write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def number_in(path: str, key: str | None) -> int | None:
    """A cgroup file's only number, or that on the line that starts with `key`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        lines = os.read(fd, LONGEST).decode().splitlines()
    except OSError:
        return None
    finally:
        os.close(fd)
    for line in lines:
        words = line.split()
        if key is None or words[0] == key:
            return int(words[-1])
    return None
