"""A job whose standard streams stay open: a server that is talked with, instead of asked once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from orchestration.sandbox import bubblewrap, cgroups, conversation, launch, shelf, slots, specs
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.job import Enforcement, Job

# Servers stay, so they have slots of their own and never take the place of a call.
HOME = "upstreams"
MOST_SERVERS = 32


@dataclass(frozen=True)
class Opened:
    """A running job's streams, as file descriptors that live as long as the context does."""

    stdin: int
    stdout: int
    stderr: int
    enforcement: Enforcement


@contextmanager
def opened(job: Job, *, config: SandboxConfig, wait_seconds: float = 5.0) -> Iterator[Opened]:
    """Starts `job` in a sandbox of its own, and ends it with all that it started on leaving.

    `limits.wall_seconds` bounds its life; `limits.output_bytes`, `stdin` and `files` mean nothing
    here. Raises SandboxUnavailable, SandboxBusy and ValueError as `run` does.
    """
    launch.check(job)
    program = bubblewrap.find()
    hierarchies = cgroups.writable(config.cgroup_parent)
    enforced = launch.enforcement(hierarchies, config=config, program=program)
    own = replace(
        config,
        home=config.home / HOME,
        max_parallel=MOST_SERVERS,
        slot_wait_seconds=wait_seconds,
        max_idle=0,
    )
    with shelf.held(job.binds, config=config), slots.taken(own) as slot:
        spec = specs.spec(job, program, slot, enforced, config=config)
        groups = cgroups.plan(hierarchies, job.limits, slot.name)
        spec["cgroups"] = [asdict(group) for group in groups]
        launcher = conversation.started(spec, program="launcher", keeping=[slot.fd])
        try:
            stdin, stdout, stderr = (stream.fileno() for stream in launcher.streams())
            yield Opened(stdin, stdout, stderr, replace(enforced, uid=slot.uid))
        finally:
            launcher.let_go()
            conversation.finish(launcher)
