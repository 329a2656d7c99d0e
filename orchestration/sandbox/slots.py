"""The machine-wide bound on sandboxes: one locked file per running one."""

from __future__ import annotations

import fcntl
import os
import random
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestration.sandbox.config import SandboxBusy, SandboxConfig

# Above what systemd hands to users, dynamic services and containers, below 2**31
# (systemd.io/UIDS-GIDS). Each home has 1,024 of them, each slot one.
FIRST_UID = 0x70000000
HOMES = 1 << 18


@dataclass(frozen=True)
class Slot:
    """A place to run one sandbox. `fd` holds the lock: whoever keeps it open keeps the slot."""

    name: str
    uid: int
    fd: int


@contextmanager
def taken(config: SandboxConfig) -> Iterator[Slot]:
    """Waits for a free slot. Raises SandboxBusy after `slot_wait_seconds`."""
    folder = config.home / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + config.slot_wait_seconds
    pause = 0.005
    while (slot := _try_all(folder, config)) is None:
        if time.monotonic() > deadline:
            raise SandboxBusy(
                f"All {config.max_parallel} sandboxes of {config.home} were busy for "
                f"{config.slot_wait_seconds:g} s. Try again later, or raise max_parallel."
            )
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
        pause = min(pause * 1.5, 0.1)
    try:
        yield slot
    finally:
        os.close(slot.fd)


def _try_all(folder: Path, config: SandboxConfig) -> Slot | None:
    for index in range(config.max_parallel):
        fd = os.open(folder / str(index), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        key = home_key(config.home)
        return Slot(f"gatehouse-{key:05x}-{index}", _uid(key, index), fd)
    return None


def home_key(home: Path) -> int:
    """A number below HOMES that stands for a home, the same in every process."""
    return zlib.crc32(os.fsencode(home.resolve())) % HOMES


def _uid(key: int, index: int) -> int:
    if os.geteuid() != 0:
        return os.geteuid()
    wanted = FIRST_UID + key * 1024 + index
    mapped = _mapped_below()
    # In a container whose users end early, the last ones that exist have to do.
    return wanted if wanted < mapped else mapped - 1001 - index


def _mapped_below() -> int:
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    return max(int(first) + int(count) for first, _, count in map(str.split, lines))
