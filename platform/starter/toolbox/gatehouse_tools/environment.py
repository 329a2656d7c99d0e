"""The surroundings in which the repository's own code runs: always a child process."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatehouse_tools.layout import Distribution, Layout, Metadata, find_distribution, find_layout
from gatehouse_tools.tree import workspace

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
MAX_OUTPUT = 20_000
MAX_FILE_BYTES = 128 * 2**20
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Outcome:
    """``code`` is None when the time was up; ``output`` is the last part of both streams."""

    code: int | None
    output: str


@dataclass(frozen=True)
class Ground:
    """A copy of the repository with all that its code needs to be imported."""

    root: Path
    layout: Layout
    distribution: Distribution
    home: Path

    @property
    def variables(self) -> dict[str, str]:
        layers = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        roots = [str((self.root / path).resolve()) for path in self.layout.roots]
        path = [str(self.home / "metadata"), *roots, str(self.root), *layers, str(PLUGINS)]
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return {
            "LANG": "C.UTF-8",
            **kept,
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "TZ": "UTC",
            "COLUMNS": "80",
            "CI": "true",
        }


def prepare(root: Path) -> Ground:
    """Fake the installed distribution: its metadata on the path, generated version files."""
    metadata = Metadata(root)
    layout = find_layout(root, metadata)
    distribution = find_distribution(root, metadata, layout)
    home = Path(tempfile.mkdtemp(prefix="home-", dir=workspace()))
    (home / "tmp").mkdir()
    _write_dist_info(home / "metadata", distribution)
    _write_version_files(root, metadata, distribution.version)
    return Ground(root, layout, distribution, home)


def _write_dist_info(folder: Path, distribution: Distribution) -> None:
    name = re.sub(r"[-_.]+", "_", distribution.name).lower()
    info = folder / f"{name}-{distribution.version}.dist-info"
    info.mkdir(parents=True)
    headers = f"Metadata-Version: 2.1\nName: {distribution.name}\nVersion: {distribution.version}\n"
    (info / "METADATA").write_text(headers, "utf-8")
    (info / "INSTALLER").write_text("gatehouse\n", "utf-8")
    lines = []
    for group, points in distribution.entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")


def _write_version_files(root: Path, metadata: Metadata, version: str) -> None:
    """Files that setuptools_scm, hatch-vcs or pdm would have generated at build time."""
    scm = metadata.table("tool", "setuptools_scm")
    named = [
        scm.get("version_file"),
        scm.get("write_to"),
        metadata.table("tool", "hatch", "build", "hooks", "vcs").get("version-file"),
        metadata.table("tool", "pdm", "version").get("write_to"),
        metadata.table("tool", "vcs-versioning").get("version_file"),
    ]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    text = f'version = __version__ = "{version}"\nversion_tuple = __version_tuple__ = {numbers!r}\n'
    for name in named:
        if not isinstance(name, str) or ".." in name or name.startswith("/"):
            continue
        for path in (root / name, root / "src" / name):
            if path.parent.is_dir() and not path.parent.is_symlink() and not path.exists():
                path.write_text(text if path.suffix == ".py" else version, "utf-8")
                break


def run(
    ground: Ground,
    command: Sequence[str],
    *,
    timeout: float,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Run Python with the arguments in the copy, both streams into one bounded file.

    The child leads a process group of its own, which is killed when it ends or the time is up.
    """
    environment = {**ground.variables, **(variables or {})}
    with tempfile.TemporaryFile(dir=workspace()) as stream:
        child = subprocess.Popen(
            [sys.executable, "-P", *command],
            cwd=ground.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_limit,
        )
        try:
            code: int | None = child.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _kill_group(child.pid)
            child.wait()
        return Outcome(code, _tail(stream.fileno(), ground.root))


def _limit() -> None:
    """No file over a bound: what a test prints is a file too."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tail(descriptor: int, root: Path) -> str:
    size = os.fstat(descriptor).st_size
    raw = os.pread(descriptor, MAX_OUTPUT, max(0, size - MAX_OUTPUT))
    text = raw.decode("utf-8", "replace").replace(str(root) + "/", "").replace(str(root), ".")
    return f"[{size - MAX_OUTPUT} bytes before this]\n{text}" if size > MAX_OUTPUT else text
