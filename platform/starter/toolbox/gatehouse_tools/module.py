"""A module taken apart: its top-level statements, what each binds and what each uses."""

from __future__ import annotations

import ast
import builtins
import symtable
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from gatehouse_tools.tree import Source

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__package__", "__spec__"}
REFLECTION = frozenset({"globals", "locals", "vars", "exec", "eval"})


@dataclass(frozen=True)
class Statement:
    """One top-level statement. ``start`` and ``end`` are line numbers from 1, both included;
    comments directly above belong to it."""

    index: int
    node: ast.stmt
    start: int
    end: int
    binds: frozenset[str]
    uses: frozenset[str]
    rebinds: frozenset[str]

    @property
    def is_definition(self) -> bool:
        return isinstance(self.node, Definition)

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @property
    def is_constant(self) -> bool:
        """One plain name bound to one expression."""
        match self.node:
            case (
                ast.Assign(targets=[ast.Name()])
                | ast.AnnAssign(target=ast.Name(), value=ast.expr())
            ):
                return True
        return type(self.node).__name__ == "TypeAlias"

    @property
    def is_type_checking(self) -> bool:
        return isinstance(self.node, ast.If) and ast.unparse(self.node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
            "t.TYPE_CHECKING",
        )

    @property
    def is_optional_import(self) -> bool:
        """try/except or if/else that does nothing but import, or set a name to a constant."""
        if not isinstance(self.node, ast.Try | ast.If):
            return False
        return all(_imports_or_constant(child) for child in _leaves(self.node))

    @property
    def is_logger(self) -> bool:
        return self.is_constant and "__name__" in self.uses and self.end - self.start < 4


def _leaves(node: ast.stmt) -> Iterator[ast.stmt]:
    for field in ("body", "orelse", "finalbody"):
        for child in getattr(node, field, []):
            yield from _leaves(child) if isinstance(child, ast.Try | ast.If) else [child]
    for handler in getattr(node, "handlers", []):
        for child in handler.body:
            yield from _leaves(child) if isinstance(child, ast.Try | ast.If) else [child]


def _imports_or_constant(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)


@dataclass(frozen=True)
class Module:
    source: Source
    tree: ast.Module
    statements: tuple[Statement, ...]

    @cached_property
    def binders(self) -> dict[str, list[Statement]]:
        """Name to the statements that bind it, in order."""
        found: dict[str, list[Statement]] = {}
        for statement in self.statements:
            for name in sorted(statement.binds):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def rebound(self) -> frozenset[str]:
        """Names that functions of the module rebind by ``global``."""
        return frozenset().union(*(statement.rebinds for statement in self.statements))

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """Functions and classes at the top level that are bound by definitions alone."""
        return {
            statement.node.name: statement.node
            for statement in self.statements
            if isinstance(statement.node, Definition)
            and all(other.is_definition for other in self.binders[statement.node.name])
        }

    @cached_property
    def exported(self) -> tuple[str, ...] | None:
        """The literal ``__all__``, None where there is none; anything fancier raises ValueError."""
        values = [s for s in self.statements if "__all__" in s.binds or "__all__" in s.uses]
        if not values:
            return None
        node = values[0].node
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if len(values) > 1 or not isinstance(value, ast.List | ast.Tuple):
            raise ValueError("__all__ is not one plain list")
        names = [e.value for e in value.elts if isinstance(e, ast.Constant)]
        if len(names) != len(value.elts):
            raise ValueError("__all__ is not one plain list")
        return tuple(str(name) for name in names)

    @cached_property
    def star_imports(self) -> list[Statement]:
        return [
            s
            for s in self.statements
            if isinstance(s.node, ast.ImportFrom) and s.node.names[0].name == "*"
        ]

    def text_of(self, statement: Statement) -> str:
        return "".join(self.source.lines[statement.start - 1 : statement.end])


def read_module(source: Source) -> Module | None:
    """Take a module apart; None where this Python can't parse it."""
    try:
        tree = ast.parse(source.text.removeprefix("\ufeff"))
        lines = source.lines
        statements = tuple(
            _statement(index, node, tree.body[index - 1] if index else None, lines)
            for index, node in enumerate(tree.body)
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError, IndexError):
        return None
    return Module(source, tree, statements)


def _statement(index: int, node: ast.stmt, before: ast.stmt | None, lines: list[str]) -> Statement:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    end = node.end_lineno or node.lineno
    segment = textwrap.dedent("".join(lines[first - 1 : end]))
    binds, uses, rebinds = _names(node, segment)
    start, floor = first, (before.end_lineno or 0) if before else 0
    while start - 1 > floor and lines[start - 2].lstrip().startswith("#"):
        start -= 1
    if start - 1 == floor == 0 or _is_header(lines[start - 1 : first - 1]):
        start = first
    return Statement(index, node, start, end, binds, uses, rebinds)


def _is_header(comments: list[str]) -> bool:
    """Section rulers and licence headers belong to the file, not to the next statement."""
    text = "".join(comments).lower()
    return any(
        word in text
        for word in ("copyright", "license", "licence", "spdx", "#---", "# ---", "####", "# ===")
    )


def _names(node: ast.stmt, segment: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """What a statement binds, uses and rebinds in the module's namespace."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset(_bound_by(node)), frozenset(), frozenset()
    table = symtable.symtable(segment.removeprefix("\ufeff"), "<statement>", "exec")
    binds = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    uses = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    rebinds: set[str] = set()
    pending = list(table.get_children())
    while pending:
        child = pending.pop()
        pending += child.get_children()
        for symbol in child.get_symbols():
            if symbol.is_global():
                uses.add(symbol.get_name())
                if symbol.is_declared_global() and symbol.is_assigned():
                    rebinds.add(symbol.get_name())
    uses |= _string_annotations(node)
    return frozenset(binds), frozenset(uses), frozenset(rebinds)


def _bound_by(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    return [alias.asname or alias.name for alias in node.names if alias.name != "*"]


def _string_annotations(node: ast.stmt) -> set[str]:
    """Names in annotations and casts that are written as strings."""
    found: set[str] = set()
    for child in ast.walk(node):
        annotations = [getattr(child, "annotation", None), getattr(child, "returns", None)]
        if isinstance(child, ast.Call) and ast.unparse(child.func).endswith(("cast", "TypeVar")):
            annotations += child.args[:1] + [k.value for k in child.keywords]
        for annotation in filter(None, annotations):
            for part in ast.walk(annotation):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found |= _names_in(part.value)
    return found


def _names_in(text: str) -> set[str]:
    try:
        return {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
    except (SyntaxError, ValueError):
        return set()


def import_aliases(node: ast.Import | ast.ImportFrom) -> list[tuple[str, ast.alias]]:
    """Pairs of the name bound and the alias that binds it."""
    return list(zip(_bound_by(node), node.names, strict=False))
