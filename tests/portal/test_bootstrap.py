"""What runs before anything is installed needs Python alone, and says what is wrong."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from portal import bootstrap

from tests.services import ROOT

FILE = ROOT / "platform" / "portal" / "bootstrap.py"


def test_it_imports_the_standard_library_alone() -> None:
    nodes = list(ast.walk(ast.parse(FILE.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_an_unknown_command_is_named_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(FILE), "fly"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "gatehouse: 'fly' is unknown; known: up, demo, test, manage\n"
    assert done.stdout == ""


def test_an_unsupported_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "NEWEST", (3, 10))
    with pytest.raises(bootstrap.Unprepared, match=r"3\.11 to 3\.13 are supported"):
        bootstrap._require_python()


@pytest.mark.parametrize(
    ("found", "dev", "enough"),
    [
        ({}, False, False),
        ({"lock": "a", "root": "r", "dev": False}, False, True),
        ({"lock": "a", "root": "r", "dev": True}, False, True),
        ({"lock": "a", "root": "r", "dev": False}, True, False),
        ({"lock": "b", "root": "r", "dev": True}, True, False),
        ({"lock": "a", "root": "elsewhere", "dev": True}, True, False),
    ],
)
def test_an_environment_is_made_anew_only_when_it_has_to(
    found: dict[str, object], dev: bool, enough: bool
) -> None:
    wanted = {"lock": "a", "root": "r", "dev": dev}
    assert bootstrap._satisfies(found, wanted) is enough


def test_a_broken_stamp_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    monkeypatch.setattr(bootstrap, "STAMP", stamp)
    for text in ("", "[]", "{", json.dumps("x")):
        stamp.write_text(text)
        assert bootstrap._stamp() == {}


def test_who_is_not_root_is_told_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(bootstrap.Unprepared, match="sudo apt-get install git bubblewrap"):
        bootstrap._apt(["git", "bubblewrap"], "git, bubblewrap missing")


def test_a_home_that_cannot_be_written_gets_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for home in ("", "/nonexistent"):
        monkeypatch.setenv("HOME", home)
        assert bootstrap._environment()["UV_CACHE_DIR"] == str(bootstrap.VENV / "cache")
    monkeypatch.setenv("HOME", str(ROOT))
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    assert "UV_CACHE_DIR" not in bootstrap._environment()


def test_nothing_of_another_environment_reaches_the_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"):
        monkeypatch.setenv(name, "/elsewhere")
    assert not {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"} & set(bootstrap._environment())
