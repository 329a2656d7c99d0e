"""The rest of the repository after a move: imports, patched names, references by string."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gatehouse_tools.layout import Layout
from gatehouse_tools.surgery import Names, Style, from_import, sort_key
from gatehouse_tools.tree import Source

SETTERS = frozenset({"setattr", "delattr", "object", "multiple"})


@dataclass(frozen=True)
class Move:
    """``moved`` names live in the new module; a patch of a ``retargeted`` name must follow them."""

    names: Names
    moved: frozenset[str]
    retargeted: frozenset[str]


@dataclass(frozen=True)
class Edit:
    """Replace columns ``start`` to ``end`` (characters) of lines ``first`` to ``last`` (from 1)."""

    first: int
    start: int
    last: int
    end: int
    text: str


@dataclass(frozen=True)
class Mended:
    text: str
    imports: int
    patches: int


def mend(source: Source, move: Move, layout: Layout, style: Style) -> Mended | None:
    """The file with its references brought up to date, None where nothing has to change."""
    stem = move.names.old.rsplit(".", 1)[-1]
    if not re.search(rf"\b{re.escape(stem)}\b", source.text) and "import" not in source.text:
        return None
    try:
        tree = ast.parse(source.text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    package = _package_of(source.path, layout)
    imports = list(_import_edits(source, tree, package, move, style))
    patches = [*_string_edits(source, move), *_setter_edits(source, tree, package, move)]
    if not imports and not patches:
        return None
    text = _apply(source, [*imports, *patches])
    try:
        ast.parse(text.removeprefix("\ufeff"))
    except SyntaxError:
        return None
    return Mended(text, len(imports), len(patches))


def _package_of(path: str, layout: Layout) -> str:
    """The package that relative imports of a file start from, "" outside of any."""
    name = layout.module_name(path) or ""
    return name if path.endswith("__init__.py") else name.rpartition(".")[0]


def resolve(node: ast.ImportFrom, package: str) -> str | None:
    """The absolute name of the module that a from-import names; None where it's above the top."""
    if not node.level:
        return node.module
    parts = package.split(".") if package else []
    if node.level - 1 > len(parts) or not parts:
        return None
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _import_edits(
    source: Source, tree: ast.Module, package: str, move: Move, style: Style
) -> Iterator[Edit]:
    """``from old import a, b``: the moved ones come from the new module."""
    lines = source.lines
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or resolve(node, package) != move.names.old:
            continue
        gone = [alias for alias in node.names if alias.name in move.moved]
        last = node.end_lineno or node.lineno
        tail = _characters(lines[last - 1], node.end_col_offset or 0)
        alone = not lines[node.lineno - 1][: node.col_offset].strip()
        rest = lines[last - 1][tail:].strip()
        if not gone or not alone or (rest and not rest.startswith("#")):
            continue
        text = _split_import(node, gone, move, style, lines[last - 1][tail:].rstrip("\r\n"))
        yield Edit(node.lineno, 0, last, len(lines[last - 1].rstrip("\r\n")), text)


def _split_import(
    node: ast.ImportFrom, gone: list[ast.alias], move: Move, style: Style, remark: str
) -> str:
    indent = " " * node.col_offset
    width = style.width - node.col_offset
    kept = [alias for alias in node.names if alias not in gone]
    old_origin = "." * node.level + (node.module or "")
    new_origin = move.names.new
    if node.level:
        new_origin = f"{old_origin.rpartition('.')[0]}.{move.names.new_stem}"
        if not node.module:
            new_origin = f"{old_origin}{move.names.new_stem}"
        elif "." not in node.module:
            new_origin = "." * node.level + move.names.new_stem
    if not node.level and (node.module or "") and "." not in move.names.new:
        new_origin = move.names.new
    if _is_package(move.names):
        new_origin = f"{old_origin}.{move.names.new_stem}" if node.module else new_origin
    texts = []
    for origin, aliases in ((old_origin, kept), (new_origin, gone)):
        if aliases:
            items = [f"{a.name} as {a.asname}" if a.asname else a.name for a in aliases]
            ordered = sorted(items, key=sort_key) if origin == new_origin else items
            texts.append(from_import(origin, ordered, width, remark.strip()))
    if kept and new_origin.lower() < old_origin.lower():
        texts.reverse()
    joined = "".join(texts).rstrip("\n").split("\n")
    return "\n".join(f"{indent}{line}" for line in joined)


def _is_package(names: Names) -> bool:
    return names.new.rpartition(".")[0] == names.old


def _string_edits(source: Source, move: Move) -> Iterator[Edit]:
    """Whole strings that name what moved: ``patch("pkg.mod.name")``."""
    wanted = "|".join(sorted(map(re.escape, move.retargeted)))
    if not wanted or move.names.old not in source.text:
        return
    pattern = re.compile(
        rf"""([bBuUrR]?["']){re.escape(move.names.old)}\.((?:{wanted})(?:\.\w+)*["'])"""
    )
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source.text, newline="").readline))
    except (tokenize.TokenError, SyntaxError):
        return
    for token in tokens:
        match = pattern.fullmatch(token.string) if token.type == tokenize.STRING else None
        if match:
            text = f"{match[1]}{move.names.new}.{match[2]}"
            yield Edit(token.start[0], token.start[1], token.end[0], token.end[1], text)


def _setter_edits(source: Source, tree: ast.Module, package: str, move: Move) -> Iterator[Edit]:
    """``monkeypatch.setattr(mod, "name", …)`` and ``patch.object(mod, "name")``."""
    bound = _bindings(tree, package, move.names)
    needed: dict[int, tuple[ast.stmt, str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        function, first, second = node.func, node.args[0], node.args[1]
        called = (
            function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        )
        named = isinstance(second, ast.Constant) and second.value in move.retargeted
        if called not in SETTERS or not named or first.lineno != first.end_lineno:
            continue
        origin = bound.get(ast.unparse(first))
        if origin is None:
            continue
        reference, statement = _reference(tree, origin, move.names, ast.unparse(first))
        needed[origin.lineno] = (origin, statement)
        line = source.lines[first.lineno - 1]
        start, end = (_characters(line, c or 0) for c in (first.col_offset, first.end_col_offset))
        yield Edit(first.lineno, start, first.lineno, end, reference)
    for place, statement in needed.values():
        indent = " " * place.col_offset
        last = place.end_lineno or place.lineno
        column = len(source.lines[last - 1].rstrip("\r\n"))
        yield Edit(last, column, last, column, f"\n{indent}{statement}")


def _bindings(
    tree: ast.Module, package: str, names: Names
) -> dict[str, ast.Import | ast.ImportFrom]:
    """Expressions that mean the old module in a file, with the import that makes them so."""
    found: dict[str, ast.Import | ast.ImportFrom] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == names.old:
                    found[alias.asname or alias.name] = node
        elif isinstance(node, ast.ImportFrom):
            origin = resolve(node, package)
            for alias in node.names:
                if origin and f"{origin}.{alias.name}" == names.old:
                    found[alias.asname or alias.name] = node
    return found


def _reference(
    tree: ast.Module, origin: ast.Import | ast.ImportFrom, names: Names, old: str
) -> tuple[str, str]:
    """How the new module is written where ``old`` was, and the import that this needs."""
    if isinstance(origin, ast.Import) and old == names.old:
        return names.new, f"import {names.new}"
    stem = names.new_stem
    taken = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    taken |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    alias = f"{stem}_module" if stem in taken else stem
    suffix = f" as {alias}" if alias != stem else ""
    if isinstance(origin, ast.Import):
        return alias, f"import {names.new} as {alias}"
    package = "." * origin.level + (origin.module or "")
    if _is_package(names):
        package = (
            f"{package.rstrip('.')}.{names.old.rsplit('.', 1)[-1]}" if origin.module else names.old
        )
    return alias, f"from {package} import {stem}{suffix}"


def _characters(line: str, column: int) -> int:
    """A column in UTF-8 bytes, as ast counts, in characters."""
    return len(line.encode("utf-8")[:column].decode("utf-8", "ignore"))


def _apply(source: Source, edits: list[Edit]) -> str:
    lines = source.lines
    for edit in sorted(edits, key=lambda e: (e.first, e.start), reverse=True):
        before = lines[edit.first - 1][: edit.start]
        after = lines[edit.last - 1][edit.end :]
        text = edit.text.replace("\n", source.newline)
        lines[edit.first - 1 : edit.last] = [before + text + after]
    return "".join(lines)


def outside_references(
    sources: Mapping[str, str], skip: frozenset[str], layout: Layout, old: str
) -> frozenset[str]:
    """Names of the old module that other files still take from it, in any way."""
    stem = old.rsplit(".", 1)[-1]
    found: set[str] = set()
    for path, text in sources.items():
        if path in skip or "import" not in text:
            continue
        found |= set(re.findall(rf"\b{re.escape(stem)}\.([A-Za-z_]\w*)", text))
        if stem not in text and not path.endswith("__init__.py"):
            continue
        try:
            tree = ast.parse(text.removeprefix("\ufeff"))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            found |= set(re.findall(r"\w+", text))
            continue
        package = _package_of(path, layout)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and resolve(node, package) == old:
                found |= {alias.name for alias in node.names}
        for alias in _bindings(tree, package, Names(old, old)):
            found |= set(re.findall(rf"\b{re.escape(alias)}\.([A-Za-z_]\w*)", text))
            quoted = rf"\b{re.escape(alias)}\s*,\s*[\"']([A-Za-z_]\w*)[\"']"
            found |= set(re.findall(quoted, text))
    return frozenset(found)
