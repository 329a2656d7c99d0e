from __future__ import annotations

import difflib
from typing import Any

import pytest

from tests.starter.conftest import COLOURS, SAMPLE, SHAPES_REPOSITORY, Repository, Toolbox

OLD, NEW = "src/shapes/drawing.py", "src/shapes/colours.py"


@pytest.fixture
def moved(toolbox: Toolbox, repository: Repository) -> dict[str, Any]:
    tree = repository(SHAPES_REPOSITORY)
    answer = toolbox("refactor", tree, module=OLD, names=COLOURS, target=NEW)
    assert "error" not in answer, answer
    return {**answer, "tree": tree}


def test_the_samples_tests_pass_after_the_move(toolbox: Toolbox) -> None:
    candidate = toolbox("survey", SAMPLE)["candidates"][0]
    move = {key: candidate[key] for key in ("module", "names", "target")}
    answer = toolbox("refactor", SAMPLE, **move)
    after = toolbox("run_tests", SAMPLE, overlay=answer["files"])
    assert (after["passed"], after["failed"]) == (61, 0)
    assert set(answer["files"]) == {
        "src/auth/__init__.py",
        "src/auth/login.py",
        "src/auth/tokens.py",
        "tests/test_jwt.py",
    }
    assert "import jwt" not in answer["files"]["src/auth/login.py"]
    assert 'mock.patch("auth.tokens.jwt.decode"' in answer["files"]["tests/test_jwt.py"]


def test_a_second_candidate_holds_too(toolbox: Toolbox) -> None:
    candidate = toolbox("survey", SAMPLE, exclude=["jwt"])["candidates"][0]
    move = {key: candidate[key] for key in ("module", "names", "target")}
    answer = toolbox("refactor", SAMPLE, **move)
    after = toolbox("run_tests", SAMPLE, overlay=answer["files"])
    assert (after["passed"], after["failed"]) == (61, 0)


def test_nothing_but_the_group_and_its_imports_leaves_the_module(moved: dict[str, Any]) -> None:
    before = (moved["tree"] / OLD).read_text().splitlines()
    lines = list(difflib.ndiff(before, moved["files"][OLD].splitlines()))
    added = [line[2:] for line in lines if line.startswith("+ ") and line[2:].strip()]
    assert added == [
        "from .colours import (  # noqa: F401  still offered here",
        "    NO_COLOUR,",
        "    colour_code,",
        "    colour_distance,",
        "    colour_name,",
        "    traced,",
        ")",
    ]
    assert "import zlib" not in moved["files"][OLD]
    assert "import math" in moved["files"][OLD]
    assert '__all__ = ["Circle", "area", "colour_code"' in moved["files"][OLD]


def test_the_new_module_is_complete(moved: dict[str, Any]) -> None:
    text = moved["files"][NEW]
    assert text.startswith("# Copyright the authors. SPDX-License-Identifier: MIT\n")
    assert '"""Colours, split out of ``shapes.drawing``."""' in text
    assert "from __future__ import annotations" in text
    assert "if TYPE_CHECKING:\n    from .canvas import Canvas\n" in text
    assert '__all__ = ["colour_code", "colour_name"]' in text
    assert "# A comment that belongs to the function below.\n@traced\ndef colour_code" in text
    assert "% 4096  # twelve bits\n" in text
    assert "# The code of a colour that nobody named.\nNO_COLOUR = 0\n" in text
    assert "import math" not in text
    assert text.count("drawing") == 1


def test_importers_and_patches_follow(moved: dict[str, Any]) -> None:
    test = moved["files"]["tests/test_drawing.py"]
    assert "from shapes.drawing import Circle\n" in test
    assert "from shapes.colours import colour_code, colour_name" in test
    assert 'mock.patch("shapes.colours._polished"' in test
    assert 'monkeypatch.setattr(colours, "zlib"' in test
    package = moved["files"]["src/shapes/__init__.py"]
    assert package == "from .colours import colour_code\nfrom .drawing import area\n"


def test_the_tests_pass_before_and_after(toolbox: Toolbox, moved: dict[str, Any]) -> None:
    before = toolbox("run_tests", moved["tree"])
    after = toolbox("run_tests", moved["tree"], overlay=moved["files"])
    assert (before["passed"], before["failed"]) == (6, 0)
    assert (after["passed"], after["failed"]) == (6, 0), after["failures"]


def test_the_same_move_gives_the_same_files(toolbox: Toolbox, moved: dict[str, Any]) -> None:
    again = toolbox("refactor", moved["tree"], module=OLD, names=COLOURS, target=NEW)
    assert again["files"] == moved["files"]


def test_windows_line_ends_are_kept(toolbox: Toolbox, repository: Repository) -> None:
    tree = repository(SHAPES_REPOSITORY)
    file = tree / OLD
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    files = toolbox("refactor", tree, module=OLD, names=COLOURS, target=NEW)["files"]
    for path in (OLD, NEW):
        assert files[path].count("\r\n") == files[path].count("\n") > 20


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("COUNT = 0\ndef a():\n    global COUNT\n    COUNT += 1\n", "mutable_state"),
        ("T = {}\nT['x'] = 1\ndef a():\n    return T\n", "mutable_state"),
        ("def a():\n    return __name__\n", "not_movable"),
        ("def a():\n    return globals()\n", "not_movable"),
        ("if 1 > 0:\n    def c(): ...\nelse:\n    c = 1\ndef a():\n    return c\n", "not_movable"),
        ("def a():\n    return b\n\ndef b():\n    return a\n", "not_movable"),
        ("__all__ = ['a'] + ['b']\ndef a():\n    return 1\n", "not_movable"),
        ("def a(): return 1; x = 2\n", "unknown_name"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_is_refused(
    toolbox: Toolbox, repository: Repository, code: str, reason: str
) -> None:
    stays = "" if "def b" in code else "\ndef b():\n    return 2\n"
    tree = repository({"post/__init__.py": "", "post/mail.py": code + stays})
    name = "missing" if reason == "unknown_name" else "a"
    answer = toolbox("refactor", tree, module="post/mail.py", names=[name], target="post/n.py")
    assert answer["error"]["reason"] == reason, answer


def test_a_move_that_breaks_the_import_is_refused(toolbox: Toolbox, repository: Repository) -> None:
    files = {
        "post/__init__.py": "",
        "post/mail.py": """
            import sys
            assert "post.letters" not in sys.modules, "loaded too early"
            def a():
                return sys
            LOADED = sys.modules.setdefault("post.letters", a)
            def b():
                return LOADED
            """,
    }
    files["post/mail.py"] += "\n            if 'a' not in open(__file__).read().split('def ')[1]:\n"
    files["post/mail.py"] += "                raise ImportError('a has left')\n"
    answer = toolbox(
        "refactor", repository(files), module="post/mail.py", names=["a"], target="post/letters.py"
    )
    assert answer["error"]["reason"] == "breaks_import"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("src/shapes/units.py", "target_exists"),
        ("../colours.py", "invalid_path"),
        ("/tmp/colours.py", "invalid_path"),
        ("src/elsewhere/colours.py", "invalid_path"),
        ("src/shapes/.git/colours.py", "invalid_path"),
    ],
)
def test_a_target_must_be_new_and_inside(
    toolbox: Toolbox, repository: Repository, target: str, reason: str
) -> None:
    tree = repository(SHAPES_REPOSITORY)
    answer = toolbox("refactor", tree, module=OLD, names=COLOURS, target=target)
    assert answer["error"]["reason"] == reason


def test_a_broken_file_elsewhere_does_not_matter(toolbox: Toolbox, repository: Repository) -> None:
    tree = repository({**SHAPES_REPOSITORY, "src/shapes/broken.py": "def (:\n"})
    answer = toolbox("refactor", tree, module=OLD, names=COLOURS, target=NEW)
    assert NEW in answer["files"]
    assert "src/shapes/broken.py" not in answer["files"]


def test_the_tree_itself_is_untouched(moved: dict[str, Any]) -> None:
    assert not (moved["tree"] / NEW).exists()
    assert b"def colour_code" in (moved["tree"] / OLD).read_bytes()
