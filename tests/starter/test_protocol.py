from __future__ import annotations

from pathlib import Path

import pytest

from tests.starter.conftest import SAMPLE, Repository, Toolbox


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"text"', b"\xff\xfe"])
def test_a_request_that_is_no_object_is_refused(toolbox: Toolbox, raw: bytes) -> None:
    assert toolbox("survey", SAMPLE, raw=raw)["error"]["reason"] == "invalid_request"


def test_an_empty_request_is_a_request(toolbox: Toolbox) -> None:
    assert toolbox("survey", SAMPLE, raw=b"")["candidates"]


@pytest.mark.parametrize(
    "path", ["../x.py", "/etc/passwd", "a/../../x", "a//b", "", "./x.py", ".git/config", "a\\b"]
)
def test_an_overlay_cannot_leave_the_tree(toolbox: Toolbox, path: str) -> None:
    answer = toolbox("survey", SAMPLE, overlay={path: "x"})
    assert answer["error"]["reason"] == "invalid_path"


def test_an_overlay_cannot_write_through_a_symlink(
    toolbox: Toolbox, repository: Repository, tmp_path: Path
) -> None:
    tree = repository({"post/__init__.py": "", "kept/file.txt": "kept"})
    (tree / "link").symlink_to("kept")
    answer = toolbox("survey", tree, overlay={"link/file.txt": "changed"})
    assert answer["error"]["reason"] == "invalid_path"
    assert (tree / "kept" / "file.txt").read_text() == "kept"


def test_a_missing_tree_is_said_so(toolbox: Toolbox, tmp_path: Path) -> None:
    answer = toolbox("survey", tmp_path / "nowhere")
    assert answer["error"]["reason"] == "tree_missing"


def test_the_repositorys_modules_shadow_nothing(toolbox: Toolbox, repository: Repository) -> None:
    """A repository may call its modules like ours or the standard library's."""
    hostile = "raise SystemExit('shadowed')\n"
    names = ("json", "ast", "rope", "tomllib", "gatehouse_tools", "symtable", "packaging")
    tree = repository({f"{name}.py": hostile for name in names})
    assert toolbox("survey", tree)["candidates"] == []
    answer = toolbox("refactor", tree, module="json.py", names=["x"], target="y.py")
    assert answer["error"]["reason"] == "unknown_name"
