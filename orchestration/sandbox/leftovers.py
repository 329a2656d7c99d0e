"""Cgroups that a launcher left behind because it was killed: whoever starts next removes them."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

from orchestration.sandbox import locks
from orchestration.sandbox.cgroups import Hierarchy
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.confinement import empty
from orchestration.sandbox.slots import berths_of, home_key, slots_of

NAME = re.compile(r"gatehouse-([0-9a-f]{5})-(w?)([0-9]+)")
# Another home's, whose locks aren't known here: removed when no process was in it for this long.
ABANDONED_SECONDS = 900.0

_swept: set[tuple[int, Path]] = set()
_lock = threading.Lock()


def swept_once(hierarchies: tuple[Hierarchy, ...], config: SandboxConfig) -> None:
    """Sweeps before the first job of a process."""
    key = (os.getpid(), config.home)
    with _lock:
        if key in _swept:
            return
        _swept.add(key)
    sweep(hierarchies, config)


def sweep(hierarchies: tuple[Hierarchy, ...], config: SandboxConfig) -> list[Path]:
    """Ends what is in cgroups whose slot nobody holds, and removes them; returns those."""
    own = f"{home_key(config.home):05x}"
    removed = []
    for hierarchy in hierarchies:
        for path in hierarchy.base.glob("gatehouse-*"):
            found = NAME.fullmatch(path.name)
            if found is None:
                continue
            key, kind, index = found.groups()
            folder = berths_of(config) if kind else slots_of(config)
            gone = _freed(path, folder, int(index)) if key == own else _abandoned(path)
            removed += [path] if gone else []
    return removed


def _freed(path: Path, folder: Path, index: int) -> bool:
    fd = locks.take(folder, index)
    if fd is None:
        return False
    try:
        empty(str(path))
    finally:
        os.close(fd)
    return not path.exists()


def _abandoned(path: Path) -> bool:
    try:
        if time.time() - path.stat().st_mtime < ABANDONED_SECONDS:
            return False
        # Refused by the kernel while a process is in it.
        path.rmdir()
    except OSError:
        return False
    return True
