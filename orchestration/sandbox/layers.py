"""Packages for a job, installed outside the sandbox and bound into it read-only.

Wheels only: no code of a package runs before it is inside. A layer is named by its content: the
exact versions and hashes that a request came to. What a request came to is noted beside the layers,
so that the same request is answered at once, by the same layer, until that is evicted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from orchestration.sandbox import shelf, wheels
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.wheels import PackageUnavailable

__all__ = ["PackageRefused", "PackageUnavailable", "layer"]

MOST_PACKAGES = 200
LONGEST_REQUIREMENT = 300


class PackageRefused(Exception):
    """A requirement that isn't one, or isn't allowed."""


def layer(packages: Sequence[str], *, config: SandboxConfig, allow: Sequence[str]) -> Path:
    """A directory with `packages` and what they depend on, to be bound in and put on PYTHONPATH.

    `allow` are patterns (`numpy`, `pytest-*`) over normalised names; they bound what may be
    asked for, and what an allowed package depends on comes with it. Raises PackageRefused or
    PackageUnavailable.
    """
    requirements = sorted({_checked(text, allow=allow) for text in packages})
    if len(requirements) > MOST_PACKAGES:
        raise PackageRefused(
            f"{len(requirements)} packages were asked for; {MOST_PACKAGES} is most."
        )
    request = _digest(requirements)
    found = _noted(request, config=config)
    if found is None:
        with shelf.locked(f"request-{request}", fcntl.LOCK_EX, config=config):
            # Another may have made it while we waited.
            found = _noted(request, config=config) or _made(requirements, request, config=config)
        shelf.evict(config)
    return found


def _noted(request: str, *, config: SandboxConfig) -> Path | None:
    digest = shelf.answer(request, config=config)
    if digest is None:
        return None
    with shelf.locked(digest, fcntl.LOCK_SH, config=config):
        return shelf.present(digest, config=config)


def _made(requirements: list[str], request: str, *, config: SandboxConfig) -> Path:
    """The layer that the request comes to, made unless another request came to the same."""
    pinned = wheels.resolved(requirements, config=config) if requirements else ""
    digest = _digest(pinned.splitlines())
    with shelf.locked(digest, fcntl.LOCK_EX, config=config):
        found = shelf.present(digest, config=config)
        if found is None:
            found = _make(requirements, pinned, digest, config=config)
    shelf.note(request, digest, config=config)
    return found


def _checked(text: str, *, allow: Sequence[str]) -> str:
    shown = repr(text[:80])
    if len(text) > LONGEST_REQUIREMENT:
        raise PackageRefused(f"{shown}… is longer than {LONGEST_REQUIREMENT} characters.")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise PackageRefused(
            f"{shown} isn't a package requirement such as 'numpy>=2' ({reason})."
        ) from None
    if requirement.url is not None:
        raise PackageRefused(f"{shown} names an address; packages come from the index only.")
    name = canonicalize_name(requirement.name)
    if not any(fnmatchcase(name, pattern.lower()) for pattern in allow):
        raise PackageRefused(
            f"Package {name} isn't on the allow-list. Ask the platform team to add it."
        )
    requirement.name = name
    return str(requirement)


def _digest(lines: list[str]) -> str:
    asked = [lines, sys.version_info[:2], sysconfig.get_platform()]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


def _make(requirements: list[str], pinned: str, digest: str, *, config: SandboxConfig) -> Path:
    target = Path(tempfile.mkdtemp(prefix=".making-", dir=shelf.folder(config)))
    try:
        if pinned:
            wheels.unpack(pinned, target, requirements, config=config)
        _seal(target)
        return target.rename(shelf.folder(config) / digest)
    except BaseException:
        shelf.discard(target)
        raise


def _seal(top: Path) -> None:
    """Readable by all, writable by none, and nothing but files and directories."""
    for folder, names, files, fd in os.fwalk(top, topdown=False, follow_symlinks=False):
        for name in (*names, *files):
            if os.path.islink(os.path.join(folder, name)):
                os.unlink(name, dir_fd=fd)
        for name in files:
            if os.path.exists(os.path.join(folder, name)):
                executable = os.stat(name, dir_fd=fd).st_mode & 0o111
                os.chmod(name, 0o555 if executable else 0o444, dir_fd=fd)
        os.chmod(folder, 0o555)  # noqa: S103
    # What a directory is called depends on its parent alone.
    top.chmod(0o755)
