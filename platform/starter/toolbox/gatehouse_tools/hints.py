"""What tests need where nobody wrote it down, and which versions a lock file has seen work."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from gatehouse_tools.layout import is_test
from gatehouse_tools.tree import python_files, read_source

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock")
MAX_TEST_FILES = 400

# A closed table: what a test imports is never taken as a package's name by itself, since anybody
# can publish a package under a name that only looks right.
SPOKEN = {
    "anyio": r"\bimport anyio\b|pytest\.mark\.anyio",
    "attrs": r"^\s*(?:import|from) attrs?\b",
    "freezegun": r"^\s*(?:import|from) freezegun\b",
    "hypothesis": r"^\s*(?:import|from) hypothesis\b",
    "mock": r"^\s*import mock\b|^\s*from mock import",
    "numpy": r"^\s*(?:import|from) numpy\b",
    "parameterized": r"^\s*(?:import|from) parameterized\b",
    "pytest-asyncio": r"pytest\.mark\.asyncio\b|\bpytest_asyncio\b",
    "pytest-benchmark": r"def test_\w+\([^)]*\bbenchmark\b",
    "pytest-httpbin": r"\bpytest_httpbin\b",
    "pytest-mock": r"def test_\w+\([^)]*\bmocker\b",
    "python-dateutil": r"^\s*(?:import|from) dateutil\b",
    "pytz": r"^\s*(?:import|from) pytz\b",
    "pyyaml": r"^\s*import yaml\b",
    "requests": r"^\s*(?:import|from) requests\b",
    "requests-mock": r"\brequests_mock\b",
    "responses": r"^\s*import responses\b",
    "simplejson": r"^\s*import simplejson\b",
    "time-machine": r"\btime_machine\b",
    "trio": r"^\s*import trio\b|pytest\.mark\.trio\b",
    "trustme": r"^\s*import trustme\b",
    "uvicorn": r"^\s*(?:import|from) uvicorn\b",
    "chardet": r"^\s*import chardet\b",
    "zstandard": r"^\s*import zstandard\b",
    "brotli": r"^\s*import brotli\b",
    "h2": r"^\s*import h2\b",
    "typing-extensions": r"^\s*(?:import|from) typing_extensions\b",
}


def spoken_of(root: Path) -> list[str]:
    """Well-known test packages that the repository's tests import or use fixtures of."""
    texts: list[str] = []
    for path in python_files(root):
        if is_test(path) and len(texts) < MAX_TEST_FILES:
            source = read_source(root, path)
            texts.append(source.text if source else "")
    text = "\n".join(texts)
    return [name for name, pattern in SPOKEN.items() if re.search(pattern, text, re.M)]


def locked_versions(root: Path) -> tuple[str, dict[str, str]]:
    """The lock file's name and its versions by package; ("", {}) without one."""
    for name in LOCKS:
        try:
            packages = tomllib.loads((root / name).read_text("utf-8")).get("package", [])
        except (OSError, ValueError):
            continue
        found = {str(p.get("name")): str(p.get("version")) for p in packages if isinstance(p, dict)}
        return name, found
    return "", {}
