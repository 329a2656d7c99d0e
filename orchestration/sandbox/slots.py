"""The machine-wide bound on sandboxes: one locked file per running one."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from orchestration.sandbox import locks, turns
from orchestration.sandbox.config import SandboxBusy, SandboxConfig

# Above what systemd hands to users, dynamic services and containers, below 2**31
# (systemd.io/UIDS-GIDS). Each home has 1,024 of them, each slot one, and from the end each berth.
FIRST_UID = 0x70000000
HOMES = 1 << 18
USERS = 1024


@dataclass(frozen=True)
class Slot:
    """A place for one sandbox. `fd` holds the lock: whoever keeps it open keeps the slot."""

    name: str
    uid: int
    fd: int


@contextmanager
def taken(config: SandboxConfig, *, party: str = "") -> Iterator[Slot]:
    """Waits for a free slot, in turn. Raises SandboxBusy after `slot_wait_seconds`."""
    slot = _try_all(config) if turns.nobody_waits(config) else None
    if slot is None:
        slot = _waited_for(config, party)
    try:
        yield slot
    finally:
        os.close(slot.fd)


def _waited_for(config: SandboxConfig, party: str) -> Slot:
    deadline = time.monotonic() + config.slot_wait_seconds
    with turns.ticket(config, party) as ticket:
        while True:
            rank = ticket.rank()
            slot = _try_all(config) if rank == 0 else None
            if slot is not None:
                ticket.served()
                return slot
            if time.monotonic() > deadline:
                raise SandboxBusy(
                    f"All {config.max_parallel} sandboxes of {config.home} were busy for "
                    f"{config.slot_wait_seconds:g} s. Try again later, or raise max_parallel."
                )
            time.sleep(turns.pause(rank))


def _try_all(config: SandboxConfig) -> Slot | None:
    found = locks.first_free(slots_of(config), config.max_parallel)
    if found is None:
        return None
    index, fd = found
    key = home_key(config.home)
    return Slot(f"gatehouse-{key:05x}-{index}", _uid(key, index), fd)


def berth(config: SandboxConfig) -> Slot | None:
    """A place for a sandbox from its boot to the end of its call; None if there is none left."""
    most = min(config.max_idle + config.max_parallel, USERS - config.max_parallel)
    found = locks.first_free(berths_of(config), most)
    if found is None:
        return None
    index, fd = found
    key = home_key(config.home)
    return Slot(f"gatehouse-{key:05x}-w{index}", _uid(key, USERS - 1 - index), fd)


def slots_of(config: SandboxConfig) -> Path:
    return config.home / "slots"


def berths_of(config: SandboxConfig) -> Path:
    return config.home / "berths"


@lru_cache(maxsize=64)
def home_key(home: Path) -> int:
    """A number below HOMES that stands for a home, the same in every process."""
    return zlib.crc32(os.fsencode(home.resolve())) % HOMES


def _uid(key: int, index: int) -> int:
    if os.geteuid() != 0:
        return os.geteuid()
    wanted = FIRST_UID + key * USERS + index
    mapped = _mapped_below()
    # In a container whose users end early, the last ones that exist have to do.
    return wanted if wanted < mapped else mapped - 1001 - index


@cache
def _mapped_below() -> int:
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    return max(int(first) + int(count) for first, _, count in map(str.split, lines))
