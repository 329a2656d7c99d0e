"""The project's own files, for tests that read them."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLATFORM = ROOT / "platform"
APPS = ("registry", "governance", "context", "orchestration", "observability")
PACKAGES = tuple(PLATFORM / name for name in ("kernel", "portal", "starter"))
FOLDERS = (*(ROOT / name for name in APPS), *PACKAGES, ROOT / "tests", ROOT / "benchmarks")
# What was written for somebody else to read as an example, and what Django generates.
EXCLUDED = ("/migrations/", "/starter/sample/", "/__pycache__/")


def python_files() -> Iterator[Path]:
    """Every Python file that people write."""
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*.py")):
            if not any(part in path.as_posix() for part in EXCLUDED):
                yield path


def name(path: Path) -> str:
    """The path as the tables of exemptions write it."""
    return path.relative_to(ROOT).as_posix()
