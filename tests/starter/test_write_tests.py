from __future__ import annotations

import ast
from pathlib import Path

from tests.starter.conftest import COLOURS, SAMPLE, SHAPES_REPOSITORY, Repository, Toolbox

NEW = "src/shapes/colours.py"


def test_tests_for_the_sample_pass_and_notice_faults(toolbox: Toolbox) -> None:
    candidate = toolbox("survey", SAMPLE, exclude=["jwt"])["candidates"][0]
    move = {key: candidate[key] for key in ("module", "names", "target")}
    changed = toolbox("refactor", SAMPLE, **move)
    names, overlay = changed["moved"], changed["files"]
    answer = toolbox("write_tests", SAMPLE, target=move["target"], names=names, overlay=overlay)
    (path,) = answer["files"]
    assert path == "tests/test_cookies.py"
    assert answer["written"] >= 3
    assert all(answer["killed"].values())
    tree = ast.parse(answer["files"][path])
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(tests) == answer["written"] == len(answer["killed"])

    after = toolbox("run_tests", SAMPLE, paths=[path], overlay={**overlay, **answer["files"]})
    assert after["passed"] >= answer["written"]
    assert after["failed"] == 0
    faulty = overlay[move["target"]].replace("if not separator:", "if separator:")
    mutated = {**overlay, **answer["files"], move["target"]: faulty}
    assert toolbox("run_tests", SAMPLE, paths=[path], overlay=mutated)["failed"] >= 1


def test_written_tests_are_readable(toolbox: Toolbox, repository: Repository) -> None:
    tree = repository(SHAPES_REPOSITORY)
    module = "src/shapes/drawing.py"
    changed = toolbox("refactor", tree, module=module, names=COLOURS, target=NEW)
    overlay = changed["files"]
    answer = toolbox("write_tests", tree, target=NEW, names=changed["moved"], overlay=overlay)
    text = answer["files"]["tests/test_colours.py"]
    assert "from shapes.colours import" in text
    assert "def test_colour_code_" in text
    assert str(Path.home()) not in text and "/tmp" not in text
    assert "mock" not in text


def test_an_existing_test_file_is_never_overwritten(
    toolbox: Toolbox, repository: Repository
) -> None:
    files = {
        "post/__init__.py": "",
        "post/money.py": "def cents(euros: int) -> int:\n    return euros * 100\n",
        "tests/test_money.py": """
            from post.money import cents

            def test_cents():
                assert cents(1) == 100
            """,
    }
    answer = toolbox("write_tests", repository(files), target="post/money.py", names=["cents"])
    assert list(answer["files"]) == ["tests/test_money_observed.py"]


def test_what_depends_on_chance_time_or_order_gets_no_test(
    toolbox: Toolbox, repository: Repository
) -> None:
    code = """
        import random
        import time
        from datetime import datetime


        def draw(limit: int) -> float:
            return random.random() + limit


        def stamp(add: int) -> int:
            return int(time.time()) + add


        def year(add: int) -> str:
            return str(datetime.now().date()) + str(add)


        def order(word: str) -> list:
            return list({word, "b", "c", "d", "e"})
        """
    files = {"post/__init__.py": "", "post/luck.py": code}
    names = ["draw", "stamp", "year", "order"]
    answer = toolbox("write_tests", repository(files), target="post/luck.py", names=names)
    assert (answer["written"], answer["files"]) == (0, {})
    assert "same, writable outcome" in answer["nothing"]
    assert answer["dropped_count"] > 0


def test_hostile_functions_do_no_harm(toolbox: Toolbox, repository: Repository) -> None:
    code = """
        import os
        import sys


        def leave(code: int) -> int:
            os._exit(code)


        def stop(code: int) -> int:
            sys.exit(code)


        def hang(times: int) -> int:
            while True:
                times += 1


        def shout(text: str) -> str:
            print('{"written": 99}')
            return text.upper()
        """
    files = {"post/__init__.py": "", "post/bad.py": code}
    names = ["stop", "shout", "hang", "leave"]
    answer = toolbox(
        "write_tests", repository(files), target="post/bad.py", names=names, budget_seconds=25
    )
    assert "error" not in answer
    assert answer["written"] < 5


def test_a_name_that_is_not_there_is_refused(toolbox: Toolbox) -> None:
    answer = toolbox("write_tests", SAMPLE, target="src/auth/roles.py", names=["nobody"])
    assert answer["error"]["reason"] == "unknown_name"
    assert "expand" in answer["error"]["message"]
