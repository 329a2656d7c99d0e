"""Small faults, one at a time, in the definitions that moved."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_MUTANTS = 80

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True)
class Mutant:
    """``place`` is "name:line: what", unique in the list; ``source`` the whole module's text."""

    place: str
    source: str


def mutants_of(text: str, names: Iterable[str]) -> list[Mutant]:
    """At most 80 mutants, spread evenly over the module's named definitions."""
    tree = ast.parse(text.removeprefix("\ufeff"))
    wanted = set(names)
    found: list[Mutant] = []
    for index, node in enumerate(tree.body):
        if getattr(node, "name", None) in wanted:
            found += _of_definition(tree, index)
    distinct = {mutant.source: mutant for mutant in found}
    ordered = list({m.place: m for m in distinct.values()}.values())
    if len(ordered) <= MAX_MUTANTS:
        return ordered
    step = len(ordered) / MAX_MUTANTS
    return [ordered[int(number * step)] for number in range(MAX_MUTANTS)]


def _of_definition(tree: ast.Module, index: int) -> Iterator[Mutant]:
    definition = tree.body[index]
    count = sum(1 for _ in ast.walk(definition))
    names = getattr(definition, "name", "")
    before = ast.unparse(definition)
    for position in range(count):
        for variant in range(2):
            changed = copy.deepcopy(definition)
            nodes = list(ast.walk(changed))
            parents = {
                id(child): parent for parent in nodes for child in ast.iter_child_nodes(parent)
            }
            node = nodes[position]
            if _is_decoration(node, parents):
                break
            what = _change(node, parents, variant)
            if what is None:
                break
            if ast.unparse(ast.fix_missing_locations(changed)) == before:
                continue
            body = [*tree.body[:index], changed, *tree.body[index + 1 :]]
            source = ast.unparse(ast.Module(body, []))
            yield Mutant(f"{names}:{getattr(node, 'lineno', 0)}: {what}", source)


def _is_decoration(node: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """Annotations, docstrings and decorators: changing them changes no behaviour to speak of."""
    child, parent = node, parents.get(id(node))
    while parent is not None:
        if child in (getattr(parent, "annotation", None), getattr(parent, "returns", None)):
            return True
        if child in getattr(parent, "decorator_list", []):
            return True
        if isinstance(parent, ast.Expr) and isinstance(child, ast.Constant):
            return True
        child, parent = parent, parents.get(id(parent))
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _change(node: ast.AST, parents: dict[int, ast.AST], variant: int) -> str | None:
    """Change the node in place and say how; None where there's nothing (more) to change."""
    if variant == 0:
        return _swap(node) or _alter_constant(node) or _alter_statement(node, parents)
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        node.test = ast.Constant(value=False)
        return "condition never true"
    if isinstance(node, ast.Compare) and type(node.ops[0]) in (ast.Lt, ast.LtE, ast.Gt, ast.GtE):
        edges: dict[type[ast.cmpop], type[ast.cmpop]]
        edges = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
        node.ops[0] = edges[type(node.ops[0])]()
        return "bound moved by one"
    return None


def _swap(node: ast.AST) -> str | None:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
        node.ops[0] = COMPARED[type(node.ops[0])]()
        return "comparison swapped"
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return "and/or swapped"
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in CALCULATED:
        node.op = CALCULATED[type(node.op)]()
        return "operator swapped"
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return "condition negated"
    return None


def _alter_constant(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Constant):
        return None
    value = node.value
    if isinstance(value, bool):
        node.value = not value
    elif isinstance(value, int | float):
        node.value = value + 1
    elif isinstance(value, str):
        node.value = f"{value}X"
    elif isinstance(value, bytes):
        node.value = value + b"X"
    else:
        return None
    return "constant changed"


def _alter_statement(node: ast.AST, parents: dict[int, ast.AST]) -> str | None:
    if isinstance(node, ast.Return) and node.value is not None:
        if isinstance(node.value, ast.Constant) and node.value.value is None:
            return None
        node.value = ast.Constant(value=None)
        return "returns None"
    removable = isinstance(node, ast.Raise | ast.Assert | ast.AugAssign | ast.Delete)
    if removable or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)):
        parent = parents.get(id(node))
        for field in ("body", "orelse", "finalbody"):
            block = getattr(parent, field, None)
            if isinstance(block, list) and node in block:
                block[block.index(node)] = ast.Pass()
                return "statement removed"
    return None
