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
    """An interpreter: `program` on the host, `executable` in the sandbox.

    `source` is the host's directory (None if below /usr, which is there anyway), seen at `target`;
    `masked` are directories with packages of the host, which a job must not come to rely on.
    """

    version: str
    program: Path
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
    below_usr = prefix.is_relative_to("/usr")
    # A shared libpython is found through an absolute path that was fixed when it was built.
    stays = below_usr or sysconfig.get_config_var("Py_ENABLE_SHARED")
    target = prefix if stays else Path("/opt/python")
    return PythonRuntime(
        version=version,
        program=prefix / name,
        source=None if below_usr else prefix,
        target=str(target),
        executable=str(target / name),
        masked=_masked(prefix, target),
    )


def _masked(prefix: Path, target: Path) -> tuple[str, ...]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = f"lib/{version}/site-packages"
    found = [str(target / own)] if (prefix / own).is_dir() else []
    debian = ("/usr/lib/python3/dist-packages", f"/usr/local/lib/{version}/dist-packages")
    return (*found, *(path for path in debian if os.path.isdir(path)))
