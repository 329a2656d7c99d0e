"""Size, names and pages, as the style asks for them. Exemptions are few and give a reason."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source import APPS, PACKAGES, ROOT, name, python_files

FILE_LINES = 400
FUNCTION_LINES = 40
VAGUE = {"services", "utils", "helpers", "manager", "handler", "common"}

# file -> why it is longer than 400 lines
LONG_FILES: dict[str, str] = {}
# file:function -> why it is longer than 40 lines
LONG_FUNCTIONS: dict[str, str] = {}


def test_no_file_is_over_400_lines() -> None:
    long = {name(path) for path in python_files() if _lines(path.read_text()) > FILE_LINES}
    assert long == set(LONG_FILES), "a file over 400 lines is two nouns"


def test_no_function_is_over_40_lines() -> None:
    found = set()
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and _length(node) > FUNCTION_LINES
            ):
                found.add(f"{name(path)}:{node.name}")
    assert found == set(LONG_FUNCTIONS), "a function over 40 lines is two thoughts"


def _lines(text: str) -> int:
    return len(text.splitlines())


def _length(node: Any) -> int:
    """Lines of code: neither the docstring nor the decorators count."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 2


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [
        name(path)
        for path in python_files()
        if VAGUE & {path.stem, path.parent.name} and "/tests/" not in path.as_posix()
    ]
    assert not vague


def test_nothing_is_marked_safe() -> None:
    """What agents, tools and repositories write is hostile; only templates escape it."""
    mark = re.compile(r"mark_safe|\|\s*safe\b|autoescape\s+off|SafeString\(|format_html\([^,)]*%")
    found = [
        f"{name(path)}:{number}"
        for path in (*python_files(), *_templates())
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if mark.search(line)
    ]
    assert not found


def _templates() -> list[Path]:
    folders = (ROOT / "templates", *(ROOT / app / "templates" for app in APPS))
    return [path for folder in folders for path in sorted(folder.rglob("*.html"))]


INLINE = {
    "a script without a source": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.I),
    "a style element": re.compile(r"<style\b", re.I),
    "a style attribute": re.compile(r"\sstyle\s*=", re.I),
    "an event attribute": re.compile(r"\son[a-z]+\s*=\s*[\"']", re.I),
    "an address of another host": re.compile(r"(?:src|href)\s*=\s*[\"'](?:https?:)?//", re.I),
}


@pytest.mark.parametrize("what", INLINE)
def test_templates_hold_no(what: str) -> None:
    found = [name(path) for path in _templates() if INLINE[what].search(path.read_text())]
    assert not found, f"{what} is refused by the content security policy"


def test_star_imports_are_not_used() -> None:
    found = [
        name(path)
        for path in python_files()
        if path.is_relative_to(ROOT) and re.search(r"^from .+ import \*", path.read_text(), re.M)
    ]
    assert not found


def test_the_packages_are_where_the_design_says() -> None:
    assert all((path / "__init__.py").is_file() for path in PACKAGES)
    assert all((ROOT / app / "apps.py").is_file() for app in APPS)
