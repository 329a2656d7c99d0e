"""One booted sandbox that waits for its single call: the platform's side of `waiting.py`."""

from __future__ import annotations

import marshal
import os
import select
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestration.sandbox import cgroups, handover, locks, shelf, slots, specs
from orchestration.sandbox.bubblewrap import Bubblewrap
from orchestration.sandbox.cgroups import Group, Hierarchy
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.conversation import (
    GRACE_SECONDS,
    Conversation,
    Launcher,
    finish,
    follow,
    started,
)
from orchestration.sandbox.handover import Booted, End
from orchestration.sandbox.job import Bind, Enforcement, Job, Limits
from orchestration.sandbox.runtime import python_runtime
from orchestration.sandbox.slots import Slot

BOOT_SECONDS = 25.0
PYTHONS = ("python3", "python")
# Options of the interpreter that leave it as it is until its program is opened, and importing site.
PLAIN = frozenset({"-I", "-B", "-E", "-s", "-u", "-P", "-c", "-m"})


class BootFailed(Exception):
    """The sandbox didn't come up to its gate."""


class NoRoom(Exception):
    """Enough sandboxes are booted on this machine."""


@dataclass(frozen=True)
class Place:
    """What a sandbox is made with on this machine."""

    config: SandboxConfig
    program: Bubblewrap
    hierarchies: tuple[Hierarchy, ...]
    enforced: Enforcement

    def __hash__(self) -> int:
        # Enough to tell places apart, and asked for by every call.
        return hash(self.config.home)


@dataclass(frozen=True)
class Profile:
    """What can't be changed once a sandbox is booted. Equal profiles may serve each other's jobs.

    `sources` are the device and file numbers of what is bound: another file of the same name isn't
    what a job asked for. Limits are set at the hand-over, but for the size of the private disks.
    """

    place: Place
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    binds: tuple[Bind, ...]
    sources: tuple[tuple[int, int], ...]
    files: tuple[str, ...]
    cwd: str
    disk_bytes: int

    def told(self) -> str:
        """For people: what is special about it."""
        layers = [bind.source.name[:12] for bind in self.binds]
        return " ".join([*self.argv[:2], f"disk {self.disk_bytes >> 20} MiB", *layers])


def profile(job: Job, place: Place) -> Profile | None:
    """The profile of a job that may be kept booted for; None if it may not."""
    if not job.repeats or not place.config.max_idle or not _holds_at_gate(job):
        return None
    try:
        sources = [os.stat(bind.source, follow_symlinks=False) for bind in job.binds]
    except OSError:
        # The cold way says what is wrong with it.
        return None
    return Profile(
        place=place,
        argv=job.argv,
        env=tuple(sorted(job.env.items())),
        binds=job.binds,
        sources=tuple((found.st_dev, found.st_ino) for found in sources),
        files=tuple(job.files),
        cwd=job.cwd,
        disk_bytes=job.limits.disk_bytes,
    )


def _holds_at_gate(job: Job) -> bool:
    options: list[str] = []
    for word in job.argv[1:]:
        if not word.startswith("-") or options[-1:] in (["-c"], ["-m"]):
            break
        options.append(word)
    return (
        job.argv[0] in PYTHONS
        and len(job.argv) > 1
        and PLAIN.issuperset(options)
        and not any(bind.writable for bind in job.binds)
        and bool(python_runtime().masked)
    )


class Warm:
    """A booted sandbox; it serves one job at most."""

    def __init__(self, profile: Profile, limits: Limits, *, begun: Callable[[], None]) -> None:
        """Boots it, which takes a while. `begun` is called when its job lasts more than a moment.

        Raises BootFailed, NoRoom when too many are idle on this machine, and OSError.
        """
        self.profile, self.limits, self._begun = profile, limits, begun
        with ExitStack() as stack:
            self._idle: int | None = _idle_token(profile.place.config)
            stack.callback(self._no_longer_idle)
            self.berth = _berth(profile.place.config)
            stack.callback(os.close, self.berth.fd)
            stack.enter_context(shelf.held(profile.binds, config=profile.place.config))
            self._groups = cgroups.plan(profile.place.hierarchies, limits, self.berth.name)
            self.folder = profile.place.config.home / "warm" / self.berth.name
            self._files = [str(self._laid / str(index)) for index in range(len(profile.files))]
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.launcher = self._launched(profile, limits)
            self._talking = True
            stack.callback(self._finish)
            self.booted = _at_gate(self.launcher)
            stack.callback(self.booted.close)
            self._kept = stack.pop_all()

    @property
    def _laid(self) -> Path:
        return self.folder / "files"

    def _launched(self, profile: Profile, limits: Limits) -> Launcher:
        place = profile.place
        # What another left here that was killed.
        shutil.rmtree(self.folder, ignore_errors=True)
        gate = self.folder / "gate"
        for folder in (self._laid, gate):
            folder.mkdir(parents=True)
        job = Job(
            profile.argv,
            env=dict(profile.env),
            binds=profile.binds,
            files=dict.fromkeys(profile.files, b""),
            cwd=profile.cwd,
            limits=limits,
        )
        bound = specs.with_files(job, self._laid)
        spec = specs.spec(
            bound, place.program, self.berth, place.enforced, config=place.config, gate=gate
        )
        groups = [asdict(group) for group in self._groups]
        more = {"cgroups": groups, "rlimits": specs.constant()}
        return started(
            spec | more | {"gate": str(gate)}, program="waiting", keeping=[self.berth.fd]
        )

    def alive(self) -> bool:
        """Whether neither the launcher nor the program has let go of its end."""
        ends = select.poll()
        for fd in (self.launcher.control, self.booted.gate):
            ends.register(fd, select.POLLIN)
        return not ends.poll(0)

    def serve(self, job: Job, slot: Slot) -> Conversation | None:
        """Hands `job` over and stays until it has ended. None if it never began.

        The launcher holds the slot until every process of the job is dead.

        1. give the launcher the slot and the limits; 2. while it puts those in force, lay the
        job's files; 3. when it says that they are, open the gate; 4. stay until the end.
        """
        self._no_longer_idle()
        try:
            groups = self._handed_over(job, slot)
            self._lay(job)
            end = End(self.booted, groups)
            if not _acknowledged(self.launcher.control):
                return None
        except ConnectionError:
            return None
        self._talking = False
        end.begin()
        return follow(self.launcher, job, end, lasting=self._begun)

    def _handed_over(self, job: Job, slot: Slot) -> tuple[Group, ...]:
        place, groups = self.profile.place, self._groups
        if job.limits != self.limits:
            groups = cgroups.plan(place.hierarchies, job.limits, self.berth.name)
        told = {
            "adjusted": None if groups == self._groups else [asdict(group) for group in groups],
            # Counted in the sandbox's own user namespace, for whoever runs it.
            "rlimits": specs.rlimits(job.limits, place.enforced, own_user=True),
            "wall": float(job.limits.wall_seconds),
            "disk": job.limits.disk_bytes,
        }
        # Family and kind are given, or they would be asked of the kernel.
        control = self.launcher.control
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=control)
        try:
            socket.send_fds(channel, [marshal.dumps(told)], [slot.fd])
        finally:
            channel.detach()
        return groups

    def _lay(self, job: Job) -> None:
        for path, content in zip(self._files, job.files.values(), strict=True):
            # Empty until now. Truncated once more, the file system would write it out at once.
            with open(path, "r+b") as file:
                file.write(content)

    def end(self) -> None:
        """Lets the launcher go, which ends what is inside."""
        self._no_longer_idle()
        if self._talking:
            self._talking = False
            self.launcher.let_go()

    def cleared(self) -> bool:
        """Whether the launcher has ended by itself; then nothing of this is left."""
        if self.launcher.process.poll() is None:
            return False
        self._kept.close()
        return True

    def clear(self) -> None:
        """Ends it, if need be by force, and waits for that."""
        self._kept.close()

    def forget(self) -> None:
        """In a forked child: closes the copies, and leaves what they stand for to the parent."""
        self._kept.pop_all()
        self.launcher.process.returncode = 0
        self.booted.close()
        for fd in (self._idle, self.berth.fd):
            if fd is not None:
                os.close(fd)
        if self._talking:
            self._talking = False
            self.launcher.let_go()

    def _finish(self) -> None:
        self.end()
        finish(self.launcher)

    def _no_longer_idle(self) -> None:
        if self._idle is not None:
            locks.let_go(self._idle)
            self._idle = None


def _idle_token(config: SandboxConfig) -> int:
    found = locks.first_free(idle_of(config), config.max_idle)
    if found is None:
        raise NoRoom(f"{config.max_idle} sandboxes are idle, which is most")
    return found[1]


def _berth(config: SandboxConfig) -> Slot:
    found = slots.berth(config)
    if found is None:
        raise NoRoom("every berth is taken")
    return found


def idle_of(config: SandboxConfig) -> Path:
    return config.home / "idle"


def _at_gate(launcher: Launcher) -> Booted:
    ready, _, _ = select.select([launcher.control], [], [], BOOT_SECONDS)
    found = handover.booted(launcher.control) if ready else None
    if found is not None:
        return found
    os.set_blocking(launcher.streams()[2].fileno(), False)
    said = launcher.streams()[2].read() or b""
    raise BootFailed(said.decode(errors="replace").strip()[-500:] or "it never came to its gate")


def _acknowledged(control: int) -> bool:
    """Waits until the launcher says that all limits are in force. False if it can't any more."""
    answered = select.poll()
    answered.register(control, select.POLLIN)
    return bool(answered.poll(GRACE_SECONDS * 1000)) and os.read(control, 1) == b"b"
