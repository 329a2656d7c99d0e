"""The repository's pytest options, without those that need a plugin that isn't there."""

from __future__ import annotations

import importlib.util
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gatehouse_tools.layout import read_ini

# Options that change what is collected or how modules are imported. All others (coverage,
# parallel runs, reports, stopping early) say nothing about whether a test passes.
KEPT: tuple[str, ...] = (
    "--import-mode",
    "--doctest-modules",
    "--doctest-glob",
    "--doctest-plus",
    "--pyargs",
)
KEPT += ("--ignore", "--ignore-glob", "--deselect", "--asyncio-mode", "--ds", "--dc", "--rootdir")
KEPT += ("--doctest-continue-on-failure", "--doctest-ignore-import-errors", "--confcutdir")
NEED_PLUGIN = {
    "--asyncio-mode": "pytest_asyncio",
    "--ds": "pytest_django",
    "--dc": "pytest_django",
    "--doctest-plus": "pytest_doctestplus",
}


def configured(root: Path) -> tuple[str | None, list[str]]:
    """The file that pytest would read its options from, and ``addopts`` there."""
    for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"):
        if (root / name).is_file():
            return name, _split(dict(_section(root / name, "pytest")).get("addopts", ""))
    try:
        tables = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        tables = {}
    pytest = tables.get("tool", {}).get("pytest", {})
    for options in (pytest.get("ini_options"), pytest):
        if isinstance(options, dict) and options:
            return "pyproject.toml", _split(options.get("addopts", ""))
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        found = dict(_section(root / name, section))
        if found:
            return name, _split(found.get("addopts", ""))
    return None, []


def _section(path: Path, section: str) -> Iterator[tuple[str, str]]:
    parser = read_ini(path)
    if parser.has_section(section):
        yield from ((key, value or "") for key, value in parser.items(section))


def _split(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value]
    try:
        return shlex.split(str(value), comments=True)
    except ValueError:
        return str(value).split()


def kept_options(options: list[str]) -> tuple[list[str], list[str]]:
    """Split into what is kept and what is left out."""
    kept: list[str] = []
    left: list[str] = []
    pending = list(options)
    while pending:
        option = pending.pop(0)
        name = option.split("=", 1)[0]
        if (
            option in ("-p", "-W", "-m", "-k", "--pythonwarnings", "--ignore", "--deselect")
            and pending
        ):
            pair = [option, pending.pop(0)]
            usable = option != "-p" or _has_plugin(pair[1])
            (kept if usable and option != "-W" else left).extend(pair)
        elif name in KEPT and (name not in NEED_PLUGIN or _has(NEED_PLUGIN[name])):
            kept.append(option)
            if (
                "=" not in option
                and pending
                and not pending[0].startswith("-")
                and name
                in ("--import-mode", "--doctest-glob", "--ignore-glob", "--asyncio-mode", "--ds")
            ):
                kept.append(pending.pop(0))
        elif option.startswith("-p") and _has_plugin(option[2:]):
            kept.append(option)
        else:
            left.append(option)
    return kept, left


def _has_plugin(name: str) -> bool:
    bare = name.removeprefix("no:")
    return name.startswith("no:") or bare in ("pytester", "doctest", "unittest") or _has(bare)


def _has(name: str) -> bool:
    try:
        return importlib.util.find_spec(name.split(".")[0]) is not None
    except (ImportError, ValueError):
        return False
