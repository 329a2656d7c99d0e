"""uv, as layers use it: it finds the wheels of a set of requirements, and unpacks them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from uv import find_uv_bin

from orchestration.sandbox import indexes
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.runtime import python_runtime

INSTALL_SECONDS = 300


class PackageUnavailable(Exception):
    """No wheels could be found or fetched for this Python and machine."""


def resolved(requirements: Sequence[str], *, config: SandboxConfig) -> str:
    """The exact versions that meet `requirements`, with the hashes of their files, as text.

    The same text stands for the same content. Raises PackageUnavailable.
    """
    command = ["compile", "--no-header", "--no-annotate", "--generate-hashes", "-"]
    return _uv(command, "\n".join(requirements), requirements, config=config)


def unpack(
    pinned: str, target: Path, requirements: Sequence[str], *, config: SandboxConfig
) -> None:
    """Installs what `resolved` found, and nothing else, into `target`. Raises as that does."""
    command = ["install", "--no-deps", "--link-mode", "copy", "--target", str(target), "-r", "-"]
    _uv(command, pinned, requirements, config=config)


def _uv(words: list[str], text: str, requirements: Sequence[str], *, config: SandboxConfig) -> str:
    environment = indexes.environment() | {"UV_CACHE_DIR": str(config.home / "uv-cache")}
    offline = environment.pop("UV_NO_INDEX", "") in ("1", "true", "yes", "on")
    command = [*_command(words[0]), *(("--no-index",) if offline else ()), *words[1:]]
    try:
        done = subprocess.run(
            command,
            input=text,
            env=environment,
            # uv looks for settings from here upwards, and none of a repository's may be found.
            cwd="/",
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
    return done.stdout


def _command(what: str) -> list[str]:
    """uv on wheels alone, for this Python."""
    return [
        *(find_uv_bin(), "pip", what, "--quiet", "--no-progress", "--color", "never"),
        *("--only-binary", ":all:"),
        "--no-python-downloads",
        *("--python", str(python_runtime().program)),
        *("--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"),
    ]


def _culprits(requirements: Sequence[str], said: str) -> str:
    named = [text for text in requirements if Requirement(text).name in said.lower()]
    return ", ".join(named or requirements)
