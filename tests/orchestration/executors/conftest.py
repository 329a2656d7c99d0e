"""A home of each test's own."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def home(settings: Any, tmp_path: Path) -> Path:
    """For trees, repositories and databases."""
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    found: Path = settings.VAR
    return found
