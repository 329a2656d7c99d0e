"""The move itself, on the text: every line that stays is byte for byte what it was."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatehouse_tools.module import BUILTINS, Module, Statement, import_aliases
from gatehouse_tools.plan import Plan

LEGAL = re.compile(r"copyright|licen[sc]e|spdx", re.I)


@dataclass(frozen=True)
class Style:
    """How the repository writes: width of lines; whether a package imports its own relatively."""

    width: int
    relative: bool


@dataclass(frozen=True)
class Names:
    """The two modules by their dotted names, as seen from the importing side."""

    old: str
    new: str

    @property
    def new_stem(self) -> str:
        return self.new.rsplit(".", 1)[-1]


def new_module(plan: Plan, names: Names, style: Style) -> str:
    """The text of the module that the group moves to."""
    module, newline = plan.module, plan.module.source.newline
    parts = [_header(module, names), _imports(plan, style)]
    if module.exported is not None:
        public = [name for name in module.exported if name in plan.names]
        if public:
            parts.append(_listing("__all__ = ", public, style.width))
    head = "\n".join(part.rstrip("\n") + "\n" for part in parts if part)
    body = _body(plan)
    gap = "\n" if plan.moved[0].is_constant else "\n\n"
    text = (head + gap if head else "") + body
    return text.replace("\r\n", "\n").replace("\n", newline)


def _header(module: Module, names: Names) -> str:
    comments = []
    for line in module.source.lines:
        if not line.startswith("#"):
            break
        comments.append(line.replace("\r\n", "\n"))
    if comments and comments[0].startswith("#!"):
        comments.pop(0)
    text = "".join(comments) if LEGAL.search("".join(comments)) else ""
    subject = names.new_stem.strip("_").replace("_", " ")
    if ast.get_docstring(module.tree):
        text += f'"""{subject[:1].upper()}{subject[1:]}, split out of ``{names.old}``."""\n'
    return text


def _imports(plan: Plan, style: Style) -> str:
    """Copies of the imports, loggers and guarded imports that the group uses."""
    module = plan.module
    unresolved = plan.uses - module.binders.keys() - BUILTINS
    copied = {s.index: s for s in plan.copied}
    copied |= {s.index: s for s in plan.stars if unresolved}
    for statement in module.statements:
        if isinstance(statement.node, ast.ImportFrom) and statement.node.module == "__future__":
            copied[statement.index] = statement
    text, last = "", None
    for statement in sorted(copied.values(), key=lambda s: s.index):
        piece = _used_part(module, statement, plan, style)
        if not piece:
            continue
        between = module.source.lines[last.end if last else 0 : statement.start - 1]
        apart = any(not line.strip() for line in between) or not statement.is_import
        text += ("\n" if last and apart else "") + piece
        last = statement
    return text


def _used_part(module: Module, statement: Statement, plan: Plan, style: Style) -> str:
    node = statement.node
    whole = module.text_of(statement)
    if isinstance(node, ast.Import | ast.ImportFrom):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return whole
        used = [alias for name, alias in import_aliases(node) if name in plan.uses]
        first = "".join(module.source.lines[node.lineno - 1 : statement.end])
        if len(used) == len(node.names) or node.names[0].name == "*":
            return first
        return import_text(node, used, style.width) if used else ""
    if statement.is_type_checking and isinstance(node, ast.If):
        inner = [child for child in node.body if isinstance(child, ast.Import | ast.ImportFrom)]
        if len(inner) == len(node.body) and not node.orelse:
            lines = []
            for child in inner:
                used = [alias for name, alias in import_aliases(child) if name in plan.uses]
                if used:
                    lines += import_text(child, used, style.width - 4).splitlines()
            return f"if {ast.unparse(node.test)}:\n" + "".join(f"    {line}\n" for line in lines)
    return whole


def import_text(node: ast.Import | ast.ImportFrom, aliases: Sequence[ast.alias], width: int) -> str:
    """An import statement of the same origin with only these aliases."""
    items = [f"{a.name} as {a.asname}" if a.asname else a.name for a in aliases]
    if isinstance(node, ast.Import):
        return f"import {', '.join(items)}\n"
    return from_import("." * node.level + (node.module or ""), items, width)


def from_import(origin: str, items: Sequence[str], width: int, comment: str = "") -> str:
    remark = f"  {comment}" if comment else ""
    line = f"from {origin} import {', '.join(items)}"
    if len(line) + len(remark) <= width:
        return f"{line}{remark}\n"
    inner = "".join(f"    {item},\n" for item in items)
    return f"from {origin} import ({remark}\n{inner})\n"


def _listing(start: str, names: Iterable[str], width: int) -> str:
    items = [f'"{name}"' for name in names]
    line = f"{start}[{', '.join(items)}]"
    return (
        line + "\n"
        if len(line) <= width
        else start + "[\n" + "".join(f"    {i},\n" for i in items) + "]\n"
    )


def _body(plan: Plan) -> str:
    lines = plan.module.source.lines
    text, last = "", None
    for statement in plan.moved:
        if last is not None:
            if statement.index == last.index + 1:
                gap = "".join(lines[last.end : statement.start - 1])
                text += gap if not gap.strip() else "\n\n"
            else:
                text += "" if last.is_constant and statement.is_constant else "\n\n"
        text += plan.module.text_of(statement)
        text += "" if text.endswith(("\n", "\r")) else "\n"
        last = statement
    return text


def old_module(
    plan: Plan, names: Names, style: Style, *, offered: Sequence[str], dropped: frozenset[str]
) -> str:
    """The source without the group; ``offered`` names are imported back, ``dropped`` imports go."""
    module = plan.module
    lines: list[str | None] = list(module.source.lines)
    for statement in plan.moved:
        lines[statement.start - 1 : statement.end] = [None] * (statement.end - statement.start + 1)
    for statement in module.statements:
        if isinstance(statement.node, ast.Import | ast.ImportFrom):
            _drop_aliases(lines, statement, dropped, style)
    at, text = _reexport(plan, names, style, offered)
    if offered:
        text = text.replace("\n", module.source.newline)
        lines[at] = text + (lines[at] or "") if at < len(lines) else text
    return _closed_up(lines)


def _drop_aliases(
    lines: list[str | None], statement: Statement, dropped: frozenset[str], style: Style
) -> None:
    node = statement.node
    assert isinstance(node, ast.Import | ast.ImportFrom)
    pairs = import_aliases(node)
    kept = [alias for name, alias in pairs if name not in dropped]
    if len(kept) == len(pairs) or not pairs:
        return
    first, end = node.lineno - 1, statement.end
    gone = [alias for name, alias in pairs if name in dropped]
    own_line = len({alias.lineno for alias in node.names}) == len(node.names) and end - first > 2
    if not kept:
        lines[statement.start - 1 : end] = [None] * (end - statement.start + 1)
    elif own_line and not any(alias.lineno in (node.lineno, end) for alias in gone):
        for alias in gone:
            lines[alias.lineno - 1] = None
        _joined_up(lines, first, end, import_text(node, kept, style.width))
    else:
        text = import_text(node, kept, style.width)
        lines[first:end] = [text, *[None] * (end - first - 1)]


def _joined_up(lines: list[str | None], first: int, end: int, short: str) -> None:
    """Lines of a parenthesis that now fit in one are joined, unless they carry comments."""
    rest = "".join(line or "" for line in lines[first:end])
    if short.count("\n") == 1 and "#" not in rest and not rest.rstrip().endswith(",\n)"):
        lines[first:end] = [short, *[None] * (end - first - 1)]


def _closed_up(lines: Sequence[str | None]) -> str:
    """Join what is left; where something went, the larger of the two gaps around it stays."""
    kept: list[str] = []
    position = 0
    while position < len(lines):
        if lines[position] is not None:
            kept.append(lines[position] or "")
            position += 1
            continue
        before = 0
        while kept and not kept[-1].strip() and kept[-1]:
            kept.pop()
            before += 1
        after, newline = 0, "\n"
        while position < len(lines):
            line = lines[position]
            if line is not None and line.strip():
                break
            after = 0 if line is None else after + 1
            newline = line or newline
            position += 1
        if position < len(lines) and kept:
            kept += [newline if newline.strip("\r\n") == "" else "\n"] * max(before, after)
    return "".join(kept)


def _reexport(plan: Plan, names: Names, style: Style, offered: Sequence[str]) -> tuple[int, str]:
    """Where the import goes (index of the line before which), and its text."""
    module = plan.module
    unused = [n for n in offered if n not in plan.used_by_staying]
    comment = "# noqa: F401  still offered here" if unused else ""
    origin = origin_of(names, style)
    if PurePosixPath(module.source.path).stem == "__init__" and style.relative:
        origin = f".{names.new_stem}"
    text = from_import(origin, sorted(offered, key=sort_key), style.width, comment)
    gone = {s.index for s in plan.moved}
    head = [s for s in _head(module) if s.index not in gone]
    own = [s for s in head if isinstance(s.node, ast.ImportFrom) and _is_own(s.node, names)]
    if own:
        before = [s for s in own if _key(s.node) <= origin.lower()]
        return (before[-1].end, text) if before else (own[0].start - 1, text)
    imports = [s for s in head if s.is_import and not _is_future(s)]
    if imports:
        return imports[-1].end, f"\n{text}"
    anchors = [s for s in head if _is_future(s)] or [s for s in head if _is_docstring(s)]
    if anchors:
        return anchors[-1].end, f"\n{text}"
    first = module.statements[0].start - 1 if module.statements else 0
    return first, f"{text}\n"


def origin_of(names: Names, style: Style) -> str:
    return f".{names.new_stem}" if style.relative and "." in names.new else names.new


def sort_key(name: str) -> tuple[int, str]:
    """isort's order: CONSTANTS, Classes, functions."""
    bare = name.split(" ")[0]
    return (0 if bare.isupper() and len(bare) > 1 else 1 if bare[:1].isupper() else 2, bare)


def _head(module: Module) -> list[Statement]:
    """The statements at the top: docstring, imports, guarded imports and dunders."""
    found = []
    for statement in module.statements:
        dunder = statement.is_constant and all(name.startswith("__") for name in statement.binds)
        guarded = statement.is_type_checking or statement.is_optional_import
        if not (statement.is_import or dunder or guarded or _is_docstring(statement)):
            break
        found.append(statement)
    return found


def _is_docstring(statement: Statement) -> bool:
    node = statement.node
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_future(statement: Statement) -> bool:
    return isinstance(statement.node, ast.ImportFrom) and statement.node.module == "__future__"


def _is_own(node: ast.ImportFrom, names: Names) -> bool:
    return node.level > 0 or (node.module or "").split(".")[0] == names.old.split(".")[0]


def _key(node: ast.stmt) -> str:
    assert isinstance(node, ast.ImportFrom)
    return ("." * node.level + (node.module or "")).lower()
