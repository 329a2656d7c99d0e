"""Packages for a job, installed outside the sandbox and bound into it read-only.

Wheels only: no code of a package runs before it is inside. A layer is named by what was
asked for, so that the same request is answered by the same directory until that is evicted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from orchestration.sandbox import indexes, shelf
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.runtime import python_runtime

INSTALL_SECONDS = 300
MOST_PACKAGES = 200
LONGEST_REQUIREMENT = 300


class PackageRefused(Exception):
    """A requirement that isn't one, or isn't allowed."""


class PackageUnavailable(Exception):
    """No wheels could be found or fetched for this Python and machine."""


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
    digest = _digest(requirements)
    with shelf.locked(digest, fcntl.LOCK_SH, config=config):
        found = shelf.present(digest, config=config)
    if found is None:
        with shelf.locked(digest, fcntl.LOCK_EX, config=config):
            # Another may have made it while we waited.
            found = shelf.present(digest, config=config)
            if found is None:
                found = _make(requirements, digest, config=config)
        shelf.evict(config)
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


def _digest(requirements: list[str]) -> str:
    asked = [requirements, sys.version_info[:2], sysconfig.get_platform()]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


def _make(requirements: list[str], digest: str, *, config: SandboxConfig) -> Path:
    target = Path(tempfile.mkdtemp(prefix=".making-", dir=shelf.folder(config)))
    try:
        if requirements:
            _install(requirements, target, config=config)
        _seal(target)
        return target.rename(shelf.folder(config) / digest)
    except BaseException:
        shelf.discard(target)
        raise


def _install(requirements: list[str], target: Path, *, config: SandboxConfig) -> None:
    command = _command(target)
    environment = indexes.environment() | {"UV_CACHE_DIR": str(config.home / "uv-cache")}
    if environment.pop("UV_NO_INDEX", "") in ("1", "true", "yes", "on"):
        command.append("--no-index")
    try:
        done = subprocess.run(
            [*command, "--", *requirements],
            env=environment,
            # uv looks for settings from here upwards, and none of a repository's may be found.
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise PackageUnavailable(
            f"{', '.join(requirements)}: not installed within {INSTALL_SECONDS} s."
        ) from None
    if done.returncode != 0:
        raise PackageUnavailable(
            f"No wheels for {_culprits(requirements, done.stderr)}: {done.stderr.strip()[-1500:]}"
        )


def _command(target: Path) -> list[str]:
    """uv's installation of wheels alone, for this Python, into `target`."""
    return [
        *(find_uv_bin(), "pip", "install", "--quiet", "--no-progress", "--color", "never"),
        *("--only-binary", ":all:"),
        *("--link-mode", "copy"),
        "--no-python-downloads",
        *("--python", str(python_runtime().program)),
        *("--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"),
        *("--target", str(target)),
    ]


def _culprits(requirements: list[str], said: str) -> str:
    named = [text for text in requirements if Requirement(text).name in said.lower()]
    return ", ".join(named or requirements)


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
