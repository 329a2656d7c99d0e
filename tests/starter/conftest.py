from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

STARTER = Path(__file__).resolve().parents[2] / "platform" / "starter"
SAMPLE = STARTER / "sample"

Answer = dict[str, Any]
Toolbox = Callable[..., Answer]
Repository = Callable[[Mapping[str, str]], Path]


PACKAGES = "rope pytoolconfig platformdirs pytest _pytest pluggy iniconfig pygments packaging jwt"


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that programs and sample need, and none of this project's pytest plugins."""
    folder = tmp_path_factory.mktemp("layer")
    installed = Path(sysconfig.get_path("purelib"))
    for name in PACKAGES.split():
        (folder / name).symlink_to(installed / name)
    return folder


@pytest.fixture
def toolbox(tmp_path: Path, layer: Path) -> Toolbox:
    """Run a program of the toolbox as the sandbox does: a process, JSON in, JSON out."""

    def run(program: str, tree: Path, /, *, raw: bytes | None = None, **request: Any) -> Answer:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(layer),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GATEHOUSE_TREE": str(tree),
            "GATEHOUSE_WORKSPACE": str(tmp_path / "workspace"),
        }
        done = subprocess.run(
            [sys.executable, "-P", str(STARTER / "toolbox" / f"{program}.py")],
            input=json.dumps(request).encode() if raw is None else raw,
            capture_output=True,
            env=environment,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        lines = done.stdout.splitlines()
        assert len(lines) == 1, "the answer stands alone"
        answer: Answer = json.loads(lines[0])
        return answer

    return run


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Write a small repository: path to dedented text."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "tree"
        for path, text in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(dedent(text).lstrip("\n").encode())
        return root

    return write


SHAPES = '''
    # Copyright the authors. SPDX-License-Identifier: MIT
    """Shapes and their colours."""

    from __future__ import annotations

    import math
    import zlib
    from typing import TYPE_CHECKING

    from . import units
    from .names import title

    if TYPE_CHECKING:
        from .canvas import Canvas

    __all__ = ["Circle", "area", "colour_code", "colour_name", "draw"]

    PRECISION = 3
    # The code of a colour that nobody named.
    NO_COLOUR = 0


    class Circle:
        def __init__(self, radius: float) -> None:
            self.radius = radius


    def area(circle: Circle) -> float:
        return round(units.scale(math.pi * circle.radius**2), PRECISION)


    def traced(function):
        function.traced = True
        return function


    # A comment that belongs to the function below.
    @traced
    def colour_code(name: str) -> int:
        """A number for a colour's name."""
        if not name:
            return NO_COLOUR
        return zlib.crc32(title(name).encode()) % 4096  # twelve bits


    def colour_name(code: int, known: list[str]) -> str | None:
        for name in known:
            if colour_code(name) == code:
                return _polished(name)
        return None


    def colour_distance(first: int, second: int, canvas: Canvas | None = None) -> int:
        if first == second:
            return 0
        return abs(first - second) + 1


    def _polished(name: str) -> str:
        return title(name.strip())


    def draw(circle: Circle, colour: str) -> str:
        return f"{area(circle)} in {colour_code(colour)}"
'''

SHAPES_REPOSITORY = {
    "pyproject.toml": """
        [project]
        name = "shapes"
        version = "2.5.0"
        """,
    "src/shapes/__init__.py": "from .drawing import area, colour_code\n",
    "src/shapes/units.py": "def scale(value):\n    return value * 1.0\n",
    "src/shapes/names.py": "def title(name):\n    return name.title()\n",
    "src/shapes/canvas.py": "from .drawing import draw\n\n\nclass Canvas:\n    draw = draw\n",
    "src/shapes/drawing.py": SHAPES,
    "src/shapes/everything.py": "from .drawing import *\n",
    "tests/test_drawing.py": """
        from unittest import mock

        import shapes.everything
        from shapes import drawing
        from shapes.drawing import (
            Circle,
            colour_code,  # the number
            colour_name,
        )


        def test_area():
            assert drawing.area(Circle(1)) == 3.142


        def test_colours_have_codes():
            assert colour_code("red") == drawing.colour_code("Red") != 0
            assert colour_code("") == 0


        def test_a_code_leads_back_to_its_name():
            assert colour_name(colour_code("red"), ["blue", "red"]) == "Red"


        def test_names_are_titled():
            with mock.patch("shapes.drawing._polished", return_value="X"):
                assert colour_name(colour_code("red"), ["red"]) == "X"


        def test_the_checksum_decides(monkeypatch):
            monkeypatch.setattr(drawing, "zlib", mock.Mock(crc32=lambda raw: 7))
            assert colour_code("red") == 7


        def test_everything_is_offered():
            assert shapes.everything.colour_name and shapes.colour_code.traced
        """,
}
COLOURS = ["colour_code", "colour_name", "colour_distance", "_polished"]
