"""`platform/` must not shadow the standard library, and tests must not shadow the apps."""

import subprocess
import sys

from tests.architecture.source import PLATFORM, ROOT


def test_platform_is_a_plain_folder_of_packages() -> None:
    loose = [path.name for path in PLATFORM.iterdir() if path.is_file()]
    assert not loose, f"a file in platform/ can shadow a module of Python's own: {loose}"
    folders = [path for path in PLATFORM.iterdir() if path.name != "__pycache__"]
    assert sorted(path.name for path in folders) == ["kernel", "portal", "starter"]
    assert all((path / "__init__.py").is_file() for path in folders)


def test_import_platform_means_the_standard_library() -> None:
    code = "import platform; print(platform.system())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "Linux"


def test_manage_py_leaves_the_standard_library_first() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "-v0",
            "-c",
            "import platform; print(platform.system())",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "Linux"


def test_every_folder_of_tests_is_a_package() -> None:
    tests = ROOT / "tests"
    folders = {path.parent for path in tests.rglob("*.py")} | {tests}
    # A folder without the file makes pytest take `tests/registry` for the app `registry`.
    bare = [
        folder.relative_to(ROOT).as_posix()
        for folder in folders
        if not (folder / "__init__.py").is_file()
    ]
    assert not bare
