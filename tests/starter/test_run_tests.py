from __future__ import annotations

import pytest

from tests.starter.conftest import SAMPLE, Repository, Toolbox


def test_the_samples_tests_are_counted(toolbox: Toolbox) -> None:
    answer = toolbox("run_tests", SAMPLE)
    assert (answer["passed"], answer["failed"], answer["errors"]) == (61, 0, 0)
    assert answer["count"] == len(answer["tests"]) == 61
    assert answer["runner"].startswith("pytest ")


def test_each_outcome_is_told_apart(toolbox: Toolbox, repository: Repository) -> None:
    tree = repository(
        {
            "test_all.py": """
                import unittest
                import pytest

                def test_good(): pass
                def test_bad(): assert 1 == 2, "one is not two"
                @pytest.mark.skip
                def test_skipped(): pass
                @pytest.mark.xfail
                def test_expected(): assert False
                @pytest.fixture
                def broken(): raise OSError("no fixture")
                def test_without_its_fixture(broken): pass

                class Old(unittest.TestCase):
                    def test_old(self): self.assertEqual(1, 1)
                """
        }
    )
    answer = toolbox("run_tests", tree)
    assert (answer["passed"], answer["failed"], answer["skipped"]) == (2, 2, 2)
    messages = {f["test"]: f["message"] for f in answer["failures"]}
    assert "one is not two" in messages["test_all.py::test_bad"]
    assert "no fixture" in messages["test_all.py::test_without_its_fixture"]


def test_a_collection_error_is_a_failed_test(toolbox: Toolbox, repository: Repository) -> None:
    files = {"test_a.py": "import nowhere\n", "test_b.py": "def test_b(): pass\n"}
    answer = toolbox("run_tests", repository(files))
    assert (answer["passed"], answer["failed"], answer["errors"]) == (1, 1, 1)
    assert "nowhere" in answer["failures"][0]["message"]


def test_a_hanging_test_is_named(toolbox: Toolbox, repository: Repository) -> None:
    code = "import time\ndef test_a(): pass\ndef test_b(): time.sleep(60)\ndef test_c(): pass\n"
    answer = toolbox("run_tests", repository({"test_hang.py": code}), timeout=4)
    assert (answer["passed"], answer["failed"], answer["complete"]) == (1, 2, False)
    assert answer["failures"][0]["test"] == "test_hang.py::test_b"
    assert "time of 4 s was up" in answer["failures"][0]["message"]


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_test_that_ends_the_process_is_named(
    toolbox: Toolbox, repository: Repository, end: str
) -> None:
    code = f"import os\ndef test_a(): pass\ndef test_b(): {end}\ndef test_c(): pass\n"
    answer = toolbox("run_tests", repository({"test_end.py": code}))
    assert (answer["passed"], answer["failed"], answer["complete"]) == (1, 2, False)
    assert answer["failures"][0]["test"] == "test_end.py::test_b"


def test_output_without_end_is_cut(toolbox: Toolbox, repository: Repository) -> None:
    code = """
        import os

        def test_a():
            block = b"x" * 2**20
            for _ in range(4096):
                os.write(1, block)

        def test_b(): pass
        """
    answer = toolbox("run_tests", repository({"test_flood.py": code}))
    assert (answer["passed"], answer["failed"]) == (1, 1)
    assert len(answer["output"]) < 25_000


def test_a_test_cannot_write_the_answer(toolbox: Toolbox, repository: Repository) -> None:
    code = 'import os\nos.write(1, b\'{"passed": 99}\\n\')\ndef test_a(): print("{}")\n'
    assert toolbox("run_tests", repository({"test_lie.py": code}))["passed"] == 1


def test_no_tests_is_said_so(toolbox: Toolbox, repository: Repository) -> None:
    answer = toolbox("run_tests", repository({"post/__init__.py": ""}))
    assert (answer["passed"], answer["failed"]) == (0, 0)
    assert answer["nothing"] == "pytest found no tests in the repository."


def test_options_of_missing_plugins_are_left_out(toolbox: Toolbox, repository: Repository) -> None:
    files = {
        "pytest.ini": """
            [pytest]
            addopts = --cov=post --cov-fail-under=90 -n 4 -p nowhere.plugin -k "not slow"
            required_plugins = pytest-nowhere
            """,
        "test_a.py": "def test_fast(): pass\ndef test_slow(): assert False\n",
    }
    answer = toolbox("run_tests", repository(files))
    assert (answer["passed"], answer["failed"]) == (1, 0)
    assert "--cov=post" in answer["notes"][0]


def test_the_distribution_looks_installed(toolbox: Toolbox, repository: Repository) -> None:
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: Post-Office\nVersion: 3.1\n",
        "pyproject.toml": """
            [project]
            name = "Post-Office"
            dynamic = ["version"]
            [project.entry-points."post.boxes"]
            red = "post:box"
            [tool.setuptools_scm]
            write_to = "src/post/_version.py"
            """,
        "src/post/__init__.py": "from ._version import version\nbox = 'red'\n",
        "tests/test_a.py": """
            from importlib import metadata

            import post

            def test_version():
                assert metadata.version("post-office") == post.version == "3.1"

            def test_entry_point():
                (point,) = metadata.entry_points(group="post.boxes")
                assert point.load() == "red"
            """,
    }
    answer = toolbox("run_tests", repository(files))
    assert (answer["passed"], answer["failed"]) == (2, 0), answer["failures"]


def test_single_paths_and_uncommitted_changes(toolbox: Toolbox) -> None:
    overlay = {"tests/test_new.py": "def test_new():\n    assert True\n"}
    answer = toolbox("run_tests", SAMPLE, paths=["tests/test_new.py"], overlay=overlay)
    assert answer["passed"] == 1
    answer = toolbox("run_tests", SAMPLE, paths=["../outside"])
    assert answer["error"]["reason"] == "invalid_path"
