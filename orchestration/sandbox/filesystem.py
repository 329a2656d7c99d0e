"""What a job sees as its file system."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.job import Bind, Job
from orchestration.sandbox.runtime import PROGRAMS, PythonRuntime

SYSTEM_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
RESERVED = (*(f"/{name}" for name in SYSTEM_LINKS), "/boot", "/dev", "/etc", "/proc", "/run")
RESERVED = (*RESERVED, "/sys", "/usr", "/var", PROGRAMS)
MOST_BINDS = 200
SHARED_MEMORY_BYTES = 64 << 20
HOST_FILES = ("ld.so.cache", "alternatives")
ETC = {
    "passwd": "root:x:0:0::/:/bin/sh\nsandbox:x:1000:1000::/tmp:/bin/sh\n",
    "group": "root:x:0:\nsandbox:x:1000:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "resolv.conf": "",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


@lru_cache(maxsize=256)
def check_targets(targets: tuple[str, ...]) -> None:
    """Raises ValueError for a target that isn't a plain absolute path, or one of the system's."""
    if len(targets) > MOST_BINDS:
        raise ValueError(f"{len(targets)} binds were asked for; {MOST_BINDS} is the most.")
    for target in targets:
        path = PurePosixPath(target)
        plain = target == str(path) and path.root == "/" and ".." not in path.parts
        if not plain or "\0" in target or len(path.parts) < 2:
            raise ValueError(f"Bind target {target!r} isn't a plain absolute path.")
        if any(path.is_relative_to(reserved) for reserved in RESERVED):
            raise ValueError(f"Bind target {target!r} belongs to the sandbox's own system.")


def etc(config: SandboxConfig) -> Path:
    """The generated /etc under the platform's home, written once."""
    folder = config.home / "etc"
    if not (folder / "complete").exists():
        config.home.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".etc-", dir=config.home))
        made.chmod(0o755)
        for name, content in ETC.items():
            (made / name).write_text(content)
        # Mount points for the host's own.
        (made / "ld.so.cache").touch()
        (made / "alternatives").mkdir()
        (made / "complete").touch()
        for file in made.iterdir():
            file.chmod(0o755 if file.is_dir() else 0o644)
        _put(made, folder)
    return folder


def _put(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # Another process was first.
        for file in made.iterdir():
            file.rmdir() if file.is_dir() else file.unlink()
        made.rmdir()


def options(
    job: Job,
    runtime: PythonRuntime,
    *,
    binds: tuple[tuple[str, Bind], ...],
    etc_source: str,
    gate: str | None = None,
) -> Iterator[str]:
    """bubblewrap's options for the file system; `binds` come with where their source is reached.

    `gate` is a directory that masks the first of the host's directories of packages.
    """
    yield from ("--ro-bind", "/usr", "/usr")
    for name in SYSTEM_LINKS:
        if os.path.islink(f"/{name}"):
            yield from ("--symlink", os.readlink(f"/{name}").removeprefix("/"), f"/{name}")
        elif os.path.isdir(f"/{name}"):
            yield from ("--ro-bind", f"/{name}", f"/{name}")
    yield from ("--ro-bind", etc_source, "/etc")
    for name in HOST_FILES:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev")
    for path, size in _private(job):
        # Without a size a tmpfs may take half the machine's memory; bubblewrap's /dev is one.
        yield from ("--perms", "1777", "--size", str(size), "--tmpfs", path)
    for name in ("python3", "python"):
        yield from ("--symlink", runtime.executable, f"{PROGRAMS}/{name}")
    for source, bind in sorted(binds, key=lambda pair: pair[1].target.count("/")):
        yield from ("--bind" if bind.writable else "--ro-bind", source, bind.target)
    gated = runtime.masked[:1] if gate is not None else ()
    for path in gated:
        yield from ("--ro-bind", str(gate), path)
    for path in runtime.masked[len(gated) :]:
        yield from ("--perms", "0555", "--size", "4096", "--tmpfs", path, "--remount-ro", path)
    yield from ("--remount-ro", "/dev", "--remount-ro", "/")


def _private(job: Job) -> Iterator[tuple[str, int]]:
    disk = job.limits.disk_bytes
    yield "/dev/shm", min(disk, SHARED_MEMORY_BYTES)  # noqa: S108
    yield "/tmp", disk  # noqa: S108
    yield "/workspace", disk
