"""Where layers of packages lie: one read-only directory per set, with a lock beside it.

A lock held shared means "in use", held exclusively "being made or removed". Its time of change
is when the layer was last asked for.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.job import Bind

# A layer that was just asked for is about to be bound.
FRESH_SECONDS = 60.0


def folder(config: SandboxConfig) -> Path:
    return config.home / "layers"


@contextmanager
def held(binds: tuple[Bind, ...], *, config: SandboxConfig) -> Iterator[None]:
    """Keeps the layers among `binds` from being evicted meanwhile."""
    if not binds:
        yield
        return
    with ExitStack() as stack:
        top = folder(config).resolve()
        for source in {bind.source.resolve() for bind in binds}:
            if source.is_relative_to(top) and source != top:
                digest = source.relative_to(top).parts[0]
                stack.enter_context(locked(digest, fcntl.LOCK_SH, config=config))
        yield


@contextmanager
def locked(digest: str, how: int, *, config: SandboxConfig) -> Iterator[None]:
    """Holds a layer's lock; raises BlockingIOError if `how` has LOCK_NB and another holds it."""
    path = folder(config) / f"{digest}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def present(digest: str, *, config: SandboxConfig) -> Path | None:
    """The finished layer, noted as just used; None if there is none."""
    layer = folder(config) / digest
    if not layer.is_dir():
        return None
    os.utime(folder(config) / f"{digest}.lock")
    return layer


def answer(request: str, *, config: SandboxConfig) -> str | None:
    """The layer that a request came to when it was last made, which may be gone by now."""
    try:
        return (folder(config) / f"{request}.request").read_text() or None
    except FileNotFoundError:
        return None


def note(request: str, digest: str, *, config: SandboxConfig) -> None:
    """Keeps what a request came to."""
    fd, made = tempfile.mkstemp(prefix=".request-", dir=folder(config))
    with open(fd, "w") as file:
        file.write(digest)
    os.rename(made, folder(config) / f"{request}.request")


def _forget(digest: str, *, config: SandboxConfig) -> None:
    for path in folder(config).glob("*.request"):
        if path.read_text() == digest:
            path.unlink(missing_ok=True)
            path.with_name(f"request-{path.stem}.lock").unlink(missing_ok=True)


def evict(config: SandboxConfig) -> list[str]:
    """Removes the least recently used layers until the rest fits; returns their names."""
    layers = [path for path in folder(config).iterdir() if _is_layer(path)]
    by_age = sorted(layers, key=_last_used)
    sizes = {layer: _size(layer) for layer in layers}
    evicted = []
    for layer in by_age:
        fits = sum(sizes.values()) <= config.layer_budget_bytes
        if fits or time.time() - _last_used(layer) < FRESH_SECONDS:
            break
        if _remove(layer, config=config):
            del sizes[layer]
            _forget(layer.name, config=config)
            evicted.append(layer.name)
    return evicted


def discard(path: Path) -> None:
    """Deletes a tree, read-only as it may be."""
    for top, _, _ in os.walk(path):
        os.chmod(top, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def _is_layer(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _last_used(layer: Path) -> float:
    try:
        return layer.with_name(f"{layer.name}.lock").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(layer: Path) -> int:
    total = 0
    for top, _, files in os.walk(layer):
        total += sum(os.lstat(os.path.join(top, name)).st_blocks * 512 for name in files)
    return total


def _remove(layer: Path, *, config: SandboxConfig) -> bool:
    try:
        with locked(layer.name, fcntl.LOCK_EX | fcntl.LOCK_NB, config=config):
            away = layer.with_name(f".away-{layer.name}-{os.getpid()}-{time.monotonic_ns()}")
            # Renamed first: half a layer must never be found.
            layer.chmod(0o700)
            layer.rename(away)
    except (BlockingIOError, FileNotFoundError):
        return False
    discard(away)
    return True
