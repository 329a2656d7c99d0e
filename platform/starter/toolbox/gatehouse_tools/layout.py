"""Where a repository keeps its packages, its tests and its name."""

from __future__ import annotations

import ast
import configparser
import email
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

NOT_PACKAGES = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "bench"}
    | {"scripts", "tools", "tasks", "build", "dist", "ci", "requirements", "migrations", "conf"}
)
LOOSE = frozenset({"setup", "conftest", "noxfile", "tasks", "fabfile", "manage", "conf", "dodo"})


@dataclass(frozen=True)
class Layout:
    """``roots`` are what belongs on sys.path; packages are the top ones in them."""

    roots: tuple[str, ...]
    packages: tuple[str, ...]

    def module_name(self, path: str) -> str | None:
        """The dotted name of a file, by the longest root it lies in."""
        pure = PurePosixPath(path)
        for root in sorted(self.roots, key=len, reverse=True):
            if root == "." or pure.is_relative_to(root):
                parts = pure.parts if root == "." else pure.relative_to(root).parts
                names = [*parts[:-1], pure.stem]
                if names[-1] == "__init__":
                    names.pop()
                if names and all(name.isidentifier() for name in names):
                    return ".".join(names)
                return None
        return None


@dataclass(frozen=True)
class Distribution:
    name: str
    version: str
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Metadata:
    """A repository's own descriptions of itself. What can't be read counts as empty."""

    root: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        try:
            return tomllib.loads((self.root / "pyproject.toml").read_text("utf-8"))
        except (OSError, ValueError):
            return {}

    @cached_property
    def setup_cfg(self) -> configparser.RawConfigParser:
        return read_ini(self.root / "setup.cfg")

    @cached_property
    def setup_py(self) -> dict[str, Any]:
        """Literal keyword arguments of setup(); the file is parsed, never run."""
        try:
            tree = ast.parse((self.root / "setup.py").read_text("utf-8"))
        except (OSError, ValueError, SyntaxError, RecursionError):
            return {}
        names = {
            node.targets[0].id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setup"):
                pairs = [(k.arg, _literal(k.value, names)) for k in node.keywords if k.arg]
                return {key: value for key, value in pairs if value is not None}
        return {}

    @cached_property
    def pkg_info(self) -> Mapping[str, str]:
        folders = [self.root, *sorted(self.root.glob("*.egg-info"))]
        folders += sorted(self.root.glob("src/*.egg-info"))
        for folder in folders:
            file = folder / "PKG-INFO"
            if file.is_file() and not file.is_symlink():
                return dict(email.message_from_string(file.read_text("utf-8", "replace")).items())
        return {}

    def table(self, *keys: str) -> dict[str, Any]:
        """A table of pyproject.toml, {} where there is none."""
        value: Any = self.pyproject
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}


def read_ini(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return configparser.RawConfigParser()
    return parser


def _literal(node: ast.expr, names: Mapping[str, ast.expr], depth: int = 0) -> Any:
    """The value of an expression made of literals and names of literals, else None."""
    if depth > 5:
        return None
    match node:
        case ast.Name(id=name) if name in names:
            return _literal(names[name], names, depth + 1)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            a, b = _literal(left, names, depth + 1), _literal(right, names, depth + 1)
            return a + b if isinstance(a, list) and isinstance(b, list) else None
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            values = [_literal(element, names, depth + 1) for element in elements]
            return [value for value in values if value is not None]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            read = [
                (_literal(k, names, depth + 1), _literal(v, names, depth + 1))
                for k, v in pairs
                if k
            ]
            return {k: v for k, v in read if isinstance(k, str) and v is not None}
        case ast.Constant(value=value):
            return value
    return None


def find_layout(root: Path, metadata: Metadata) -> Layout:
    roots = [path for path in _declared_roots(metadata) if (root / path).is_dir()]
    if not roots and any(_importable(root / "src")):
        roots = ["src"]
    if not roots and any(_importable(root / "lib")) and not any(_importable(root)):
        roots = ["lib"]
    roots = roots or ["."]
    packages = {name for path in roots for name in _importable(root / path)}
    return Layout(tuple(dict.fromkeys(roots)), tuple(sorted(packages)))


def _declared_roots(metadata: Metadata) -> list[str]:
    where = metadata.table("tool", "setuptools", "packages", "find").get("where")
    package_dir = metadata.table("tool", "setuptools", "package-dir").get("")
    setup_dir = metadata.setup_py.get("package_dir")
    found = [
        *(where if isinstance(where, list) else [where]),
        package_dir,
        setup_dir.get("") if isinstance(setup_dir, dict) else None,
        metadata.setup_cfg.get("options.packages.find", "where", fallback=None),
    ]
    clean = [item.strip().strip("/") or "." for item in found if isinstance(item, str)]
    return [item for item in clean if ".." not in item and not item.startswith("/")]


def _importable(folder: Path) -> list[str]:
    """Names of packages and single modules that lie in a folder."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.stem.isidentifier():
            continue
        if path.is_dir() and path.name not in NOT_PACKAGES and _is_package(path):
            found.append(path.name)
        elif path.suffix == ".py" and path.stem not in LOOSE and not is_test(path.name):
            found.append(path.stem)
    return found


def _is_package(path: Path) -> bool:
    """A folder with __init__.py, or one that holds such folders (a namespace)."""
    if (path / "__init__.py").is_file():
        return True
    return any(child.is_file() for child in path.glob("*/__init__.py"))


def is_test(path: str) -> bool:
    pure = PurePosixPath(path)
    folders = {"tests", "test", "testing", "_tests", "testsuite", "unittests"}
    if folders.intersection(pure.parts[:-1]):
        return True
    name = pure.stem
    return (
        name.startswith("test_") or name.endswith("_test") or name in {"conftest", "tests", "test"}
    )


def find_distribution(root: Path, metadata: Metadata, layout: Layout) -> Distribution:
    project = metadata.table("project")
    poetry = metadata.table("tool", "poetry")
    cfg, setup = metadata.setup_cfg, metadata.setup_py
    names = [
        project.get("name"),
        poetry.get("name"),
        metadata.pkg_info.get("Name"),
        cfg.get("metadata", "name", fallback=None),
        setup.get("name"),
        layout.packages[0] if layout.packages else root.name,
    ]
    versions = [
        metadata.pkg_info.get("Version"),
        project.get("version"),
        poetry.get("version"),
        cfg.get("metadata", "version", fallback=None),
        setup.get("version"),
    ]
    clean = [v for v in versions if isinstance(v, str) and v[:1].isdigit()]
    name = next(n for n in names if isinstance(n, str) and n)
    return Distribution(name, clean[0] if clean else "0.0.0", _entry_points(metadata))


def _entry_points(metadata: Metadata) -> dict[str, dict[str, str]]:
    project = metadata.table("project")
    groups: dict[str, dict[str, str]] = {}
    for key, name in (("scripts", "console_scripts"), ("gui-scripts", "gui_scripts")):
        if isinstance(project.get(key), dict):
            groups[name] = project[key]
    groups |= {k: v for k, v in metadata.table("project", "entry-points").items() if v}
    groups |= {k: v for k, v in metadata.table("tool", "poetry", "plugins").items() if v}
    if metadata.setup_cfg.has_section("options.entry_points"):
        for group, raw in metadata.setup_cfg.items("options.entry_points"):
            groups[group] = _assignments((raw or "").splitlines())
    declared = metadata.setup_py.get("entry_points")
    for group, lines in (declared if isinstance(declared, dict) else {}).items():
        if isinstance(lines, list):
            groups[group] = _assignments([line for line in lines if isinstance(line, str)])
    return {
        group: {str(k): v for k, v in points.items() if isinstance(v, str)}
        for group, points in groups.items()
        if isinstance(points, dict)
    }


def _assignments(lines: list[str]) -> dict[str, str]:
    pairs = [line.partition("=") for line in lines if "=" in line]
    return {name.strip(): value.strip() for name, _, value in pairs}
