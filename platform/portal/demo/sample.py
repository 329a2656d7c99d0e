"""The bundled sample as a real git repository."""

import os
import shutil
import subprocess
from pathlib import Path

from django.conf import settings

SOURCE = Path(settings.ROOT) / "platform" / "starter" / "sample"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache", ".hypothesis")
# One identity and date, so that every home begins with the same commit.
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Gatehouse",
    "GIT_AUTHOR_EMAIL": "gatehouse@localhost",
    "GIT_AUTHOR_DATE": "2026-03-04T09:00:00Z",
    "GIT_COMMITTER_NAME": "Gatehouse",
    "GIT_COMMITTER_EMAIL": "gatehouse@localhost",
    "GIT_COMMITTER_DATE": "2026-03-04T09:00:00Z",
}


def make_repository(into: Path) -> Path:
    """A git repository of the sample at `into`, which must not exist yet."""
    shutil.copytree(SOURCE, into, ignore=_LEFT_OUT)
    for words in (
        ("init", "--quiet", "--initial-branch=main", "--template="),
        ("add", "--all"),
        ("commit", "--quiet", "--no-verify", "--message=Authentication service"),
    ):
        subprocess.run(
            ["git", *words],
            cwd=into,
            check=True,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(into)} | _ENVIRONMENT,
        )
    return into
