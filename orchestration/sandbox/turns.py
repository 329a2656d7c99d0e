"""Who is next when every slot is taken: parties take turns, machine-wide.

Fair queueing by rounds (Nagle, RFC 970; Demers, Keshav and Shenker 1989, for packets): a ticket's
round is one after that of the same party's last ticket, and never before the round that is being
served. So a party with a hundred tickets and one with a single one are served alternately. A ticket
is a locked file, which a process that dies lets go of; the names' order is the order of service.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestration.sandbox.config import SandboxConfig

FIRST_PAUSE, LONGEST_PAUSE = 0.003, 0.25
ROUND = ".round"
LOCK = ".lock"


@dataclass(frozen=True)
class Ticket:
    folder: Path
    name: str

    def rank(self) -> int:
        """How many are before this one."""
        names = _waiting(self.folder)
        rank = names.index(self.name) if self.name in names else 0
        if not rank:
            return 0
        # Whoever died waiting must not keep the others back; each looks at the one before it.
        with _locked(self.folder):
            return rank - _removed_if_dead(self.folder, names[rank - 1])

    def served(self) -> None:
        with _locked(self.folder):
            _write_round(self.folder, max(_round(self.folder), _round_of(self.name)))


def nobody_waits(config: SandboxConfig) -> bool:
    return not _waiting(_folder(config))


def waiting(config: SandboxConfig) -> int:
    """How many calls wait for a slot."""
    return len(_waiting(_folder(config)))


def pause(rank: int) -> float:
    """Seconds to sleep before looking again: the further back, the less there is to see."""
    return min(FIRST_PAUSE * (rank + 1), LONGEST_PAUSE)


@contextmanager
def ticket(config: SandboxConfig, party: str) -> Iterator[Ticket]:
    """Waits in line as `party`, until the end of the block."""
    folder = _folder(config)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        for name in _waiting(folder):
            _removed_if_dead(folder, name)
        name = _next_name(folder, party)
        fd = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield Ticket(folder, name)
    finally:
        (folder / name).unlink(missing_ok=True)
        os.close(fd)


def _next_name(folder: Path, party: str) -> str:
    key = f"{zlib.crc32(party.encode()):08x}"
    own = [_round_of(name) for name in _waiting(folder) if name.endswith(key)]
    number = max([_round(folder), *own]) + 1
    return f"{number:012d}-{time.monotonic_ns():020d}-{threading.get_native_id()}-{key}"


def _folder(config: SandboxConfig) -> Path:
    return config.home / "queue"


def _waiting(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []


def _removed_if_dead(folder: Path, name: str) -> bool:
    try:
        fd = os.open(folder / name, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / name).unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _round_of(name: str) -> int:
    return int(name.partition("-")[0])


def _round(folder: Path) -> int:
    try:
        return int((folder / ROUND).read_text() or 0)
    except (FileNotFoundError, ValueError):
        return 0


def _write_round(folder: Path, number: int) -> None:
    (folder / ROUND).write_text(str(number))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
