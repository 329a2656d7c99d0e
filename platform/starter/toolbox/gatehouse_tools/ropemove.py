"""rope's own move of the same names, on a copy: what it finds, what it would have written."""

from __future__ import annotations

import ast
import difflib
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from gatehouse_tools.needs import require_package
from gatehouse_tools.plan import Plan
from gatehouse_tools.surgery import Names
from gatehouse_tools.tree import python_files, workspace

LIMIT_SECONDS = 60
# What rope fails with, beside its own errors, on code that it doesn't understand.
CRASHES = (
    AttributeError,
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    SyntaxError,
    AssertionError,
    OSError,
)


class OutOfTime(Exception):
    """rope took longer than its share."""


@dataclass(frozen=True)
class Draft:
    """Files as rope left them. ``complaint`` says why it stopped, None when it went through."""

    files: Mapping[str, str] = field(default_factory=dict)
    moved: tuple[str, ...] = ()
    complaint: str | None = None


@dataclass(frozen=True)
class Rope:
    """What is used of rope, which is imported where it is needed alone."""

    project: Callable[..., Any]
    create_move: Callable[..., Any]
    error: type[Exception]


def draft(root: Path, roots: Sequence[str], plan: Plan, target: str) -> Draft:
    """Move every name with rope (rope.refactor.move) and read what changed."""
    rope = _rope()
    copy = Path(tempfile.mkdtemp(prefix="rope-", dir=workspace()))
    _copy_python(root, copy)
    before = {path: (copy / path).read_bytes() for path in python_files(copy)}
    moved: list[str] = []
    complaint = None
    try:
        with _at_most(LIMIT_SECONDS):
            for name in _moves(rope, copy, roots, plan, target):
                moved.append(name)
    except OutOfTime:
        complaint = f"took longer than {LIMIT_SECONDS} s"
    except RecursionError:
        complaint = "recursed too deep"
    except (rope.error, *CRASHES) as error:
        complaint = f"{type(error).__name__}: {error}"[:200]
    files = _changed(copy, before)
    shutil.rmtree(copy)
    return Draft(files, tuple(moved), complaint)


def _rope() -> Rope:
    try:
        from rope.base.exceptions import RopeError  # noqa: PLC0415
        from rope.base.project import Project  # noqa: PLC0415
        from rope.refactor.move import create_move  # noqa: PLC0415
    except ImportError:
        raise require_package("rope") from None
    return Rope(Project, create_move, RopeError)


def _moves(rope: Rope, copy: Path, roots: Sequence[str], plan: Plan, target: str) -> Iterator[str]:
    """Each name once it is moved."""
    project = rope.project(
        str(copy),
        ropefolder=None,
        source_folders=[path for path in roots if path != "."],
        prefer_module_from_imports=True,
        automatic_soa=False,
        import_dynload_stdmods=False,
        ignore_syntax_errors=True,
    )
    (copy / target).touch()
    source, destination = (project.get_resource(p) for p in (plan.module.source.path, target))
    for name in plan.names:
        mover = rope.create_move(project, source, _offset(source.read(), name))
        project.do(mover.get_changes(destination))
        yield name


def _copy_python(root: Path, copy: Path) -> None:
    for path in python_files(root):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, copy / path)


def _offset(text: str, name: str) -> int:
    """Where the name stands in its definition, in characters."""
    for node in ast.parse(text).body:
        targets = [*getattr(node, "targets", []), getattr(node, "target", None)]
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            found = re.compile(rf"^{re.escape(name)}\b", re.M)
        elif getattr(node, "name", None) == name:
            found = re.compile(rf"^(?:async\s+)?(?:def|class)\s+({re.escape(name)})\b", re.M)
        else:
            continue
        match = found.search(text)
        if match:
            return match.start(match.lastindex or 0)
    raise ValueError(f"{name} isn't at the top level any more")


def _changed(copy: Path, before: Mapping[str, bytes]) -> dict[str, str]:
    now = {path: (copy / path).read_bytes() for path in python_files(copy)}
    return {
        path: raw.decode("utf-8", "replace") for path, raw in now.items() if before.get(path) != raw
    }


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def is_clean(before: str, after: str, names: Names, moved: frozenset[str]) -> bool:
    """Whether rope changed nothing in a file but references to what moved and their imports.

    Its new import must not be hidden by a local name of the same spelling, and nothing else may
    have been reformatted.
    """
    try:
        old, new = ast.parse(before), ast.parse(after)
    except (SyntaxError, ValueError, RecursionError):
        return False
    stem = names.new_stem
    bound = {n.id for n in ast.walk(old) if isinstance(n, ast.Name)}
    bound |= {n.arg for n in ast.walk(old) if isinstance(n, ast.arg)}
    bound |= {getattr(n, "name", "") or "" for n in ast.walk(old)}
    if stem in bound or _imported(old) - _imported(new) - moved:
        return False
    if _bare(old, moved) != _bare(new, moved):
        return False
    spoken = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, moved)))}|{re.escape(stem)})\b")
    own_import = re.compile(
        rf"^\s*(?:from|import)\b.*\b{re.escape(names.old.rsplit('.', 1)[-1])}\b"
    )
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0))[2:]
    changed = [line[1:] for line in lines if line[:1] in "+-" and line[1:].strip()]
    return all(spoken.search(line) or own_import.search(line) for line in changed)


def _imported(tree: ast.Module) -> set[str]:
    """Names that imports bind. rope takes some for unused that aren't."""
    return {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def _bare(tree: ast.Module, moved: frozenset[str]) -> str:
    """The code without imports, every reference to a moved name reduced to the name."""

    class Reduce(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            if node.attr in moved:
                return ast.Name(node.attr, ast.Load())
            return self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> ast.AST:
            return ast.Pass()

        def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
            return ast.Pass()

    reduced = Reduce().visit(tree)
    kept = [n for n in reduced.body if not isinstance(n, ast.Pass)]
    return "\n".join(ast.unparse(n) for n in kept)
