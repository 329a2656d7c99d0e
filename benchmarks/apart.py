"""Each database in a process and home of its own, for benchmarks that compare SQLite with
PostgreSQL: what one keeps in memory says nothing of the other."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tests import services  # noqa: E402


def databases() -> Iterator[tuple[str, str]]:
    """Name and address: SQLite, and PostgreSQL where this machine has it."""
    yield "sqlite", ""
    try:
        with services.postgresql() as address:
            yield "postgresql", address
    except services.Missing as missing:
        print(missing, file=sys.stderr)


def run(script: str, words: Sequence[str], address: str) -> dict[str, Any]:
    """What the script of this folder prints last, as JSON, after it was run on a fresh home with
    the database migrated."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        environment = os.environ | {
            "GATEHOUSE_HOME": folder,
            "DATABASE_URL": address,
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}:{ROOT / 'benchmarks'}",
        }
        Path(folder, "var").mkdir()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        done = subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / script), *words],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
