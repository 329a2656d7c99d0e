"""Numbered places that processes share: a locked file each, which the kernel lets go with them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def first_free(folder: Path, count: int) -> tuple[int, int] | None:
    """Takes the first free place of `count`; returns its number and the file that holds it."""
    for index in range(count):
        fd = take(folder, index)
        if fd is not None:
            return index, fd
    return None


def take(folder: Path, index: int) -> int | None:
    """Takes one place: the file that holds it for as long as any copy is open. None if taken."""
    path = folder / str(index)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def taken(folder: Path) -> int:
    """How many places are taken now."""
    count = 0
    for path in folder.glob("[0-9]*"):
        fd = take(folder, int(path.name))
        if fd is None:
            count += 1
        else:
            os.close(fd)
    return count


def let_go(fd: int) -> None:
    """Lets a place go, also where other processes hold copies of the file."""
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)
