"""The Python that runs in the sandbox: the platform's own base interpreter."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Where `python3` is on the sandbox's PATH, whatever it is called on the host.
PROGRAMS = "/opt/bin"


@dataclass(frozen=True)
class PythonRuntime:
    """An interpreter: `source` is the host's directory (None if below /usr), seen at `target`.

    `masked` are directories with packages of the host, which a job must not come to rely on.
    """

    version: str
    source: Path | None
    target: str
    executable: str
    masked: tuple[str, ...]


@cache
def python_runtime() -> PythonRuntime:
    """Finds the base interpreter behind the platform's virtual environment."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix).resolve()
    name = f"bin/python{version}"
    if prefix.is_relative_to("/usr"):
        return PythonRuntime(
            version, None, str(prefix), str(prefix / name), _masked(prefix, prefix)
        )
    # A shared libpython is found through an absolute path that was fixed when it was built.
    target = prefix if sysconfig.get_config_var("Py_ENABLE_SHARED") else Path("/opt/python")
    return PythonRuntime(version, prefix, str(target), str(target / name), _masked(prefix, target))


def _masked(prefix: Path, target: Path) -> tuple[str, ...]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = f"lib/{version}/site-packages"
    found = [str(target / own)] if (prefix / own).is_dir() else []
    debian = ("/usr/lib/python3/dist-packages", f"/usr/local/lib/{version}/dist-packages")
    return (*found, *(path for path in debian if os.path.isdir(path)))
