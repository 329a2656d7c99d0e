"""What has to move with a group so that the new module never needs the old one."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from gatehouse_tools.module import Definition, Module, Statement
from gatehouse_tools.protocol import Refusal

OF_THE_MODULE = frozenset({"__name__", "__file__", "__package__", "__spec__", "__path__"})
REFLECTION = frozenset({"globals", "exec", "eval"})


@dataclass(frozen=True)
class Plan:
    """``moved`` leave the module; ``copied`` (imports, loggers) stand in both."""

    module: Module
    asked: tuple[str, ...]
    moved: tuple[Statement, ...]
    copied: tuple[Statement, ...]
    stars: tuple[Statement, ...] = field(default=())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names that move, in the order of the source."""
        return tuple(dict.fromkeys(name for s in self.moved for name in sorted(s.binds)))

    @cached_property
    def definitions(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(s.node.name for s in self.moved if isinstance(s.node, Definition))
        )

    @cached_property
    def staying(self) -> tuple[Statement, ...]:
        gone = {statement.index for statement in self.moved}
        return tuple(s for s in self.module.statements if s.index not in gone)

    @cached_property
    def uses(self) -> frozenset[str]:
        """Module-level names that the new module's statements use."""
        return frozenset().union(*(s.uses for s in (*self.moved, *self.copied)))

    @cached_property
    def used_by_staying(self) -> frozenset[str]:
        own = [s for s in self.staying if not s.is_import]
        return frozenset().union(*(s.uses for s in own), self.module.exported or ())


def plan_move(module: Module, asked: Iterable[str]) -> Plan:
    """Close the group over what it uses; raise Refusal where that can't be done cleanly."""
    names = tuple(dict.fromkeys(asked))
    for name in names:
        if name not in module.definitions and not _is_plain(module, name):
            known = ", ".join(sorted(module.definitions)[:40])
            path = module.source.path
            raise Refusal(
                "unknown_name", f"{path} defines no {name} that can move. It has: {known}."
            )
    _check_module(module)
    moved, copied = _closure(module, names)
    _check_moved(module, moved)
    plan = Plan(
        module,
        names,
        tuple(sorted(moved, key=lambda s: s.index)),
        tuple(sorted(copied, key=lambda s: s.index)),
        tuple(module.star_imports),
    )
    _check_staying(plan)
    return plan


def _is_plain(module: Module, name: str) -> bool:
    binders = module.binders.get(name, [])
    return len(binders) == 1 and binders[0].is_constant and name not in module.rebound


def _check_module(module: Module) -> None:
    path = module.source.path
    try:
        module.exported  # noqa: B018  read for the error it may raise
    except ValueError:
        raise Refusal("not_movable", f"{path} computes its __all__.") from None
    ends: set[int] = set()
    for statement in module.statements:
        if statement.start in ends:
            raise Refusal("not_movable", f"{path} has two statements on line {statement.start}.")
        ends.add(statement.end)


def _closure(module: Module, names: Iterable[str]) -> tuple[set[Statement], set[Statement]]:
    moved: set[Statement] = set()
    copied: set[Statement] = set()
    pending = [s for name in names for s in module.binders[name]]
    while pending:
        statement = pending.pop()
        if statement in moved or statement in copied:
            continue
        if statement.is_import:
            copied.add(statement)
            continue
        copies = statement.is_logger or statement.is_type_checking or statement.is_optional_import
        (copied if copies else moved).add(statement)
        for name in sorted(statement.uses):
            pending += _providers(module, name)
    return moved, copied


def _providers(module: Module, name: str) -> list[Statement]:
    """The statements that a use of the name needs."""
    binders = module.binders.get(name, [])
    if not binders:
        return []
    path = module.source.path
    if name in module.rebound:
        raise Refusal("mutable_state", f"{path}: functions rebind {name}, which the group uses.")
    if all(s.is_import or s.is_optional_import or s.is_type_checking for s in binders):
        return binders
    if all(s.is_definition for s in binders):
        return binders
    if len(binders) == 1 and binders[0].is_constant:
        return binders
    line = binders[0].start
    raise Refusal(
        "not_movable", f"{path}:{line}: {name} is defined by more than one plain statement."
    )


def _check_moved(module: Module, moved: Iterable[Statement]) -> None:
    path = module.source.path
    for statement in moved:
        bound = module.binders.keys()
        own = (statement.uses & OF_THE_MODULE) - bound
        if own:
            line = statement.start
            raise Refusal("not_movable", f"{path}:{line} uses {min(own)}, which would change.")
        if (statement.uses & REFLECTION) - bound:
            raise Refusal("not_movable", f"{path}:{statement.start} looks names up by reflection.")
        if statement.rebinds:
            name = min(statement.rebinds)
            raise Refusal("mutable_state", f"{path}:{statement.start} rebinds the module's {name}.")
        if "__getattr__" in statement.binds or "__dir__" in statement.binds:
            raise Refusal(
                "not_movable", f"{path}: the module's own {min(statement.binds)} must stay."
            )


def _check_staying(plan: Plan) -> None:
    path = plan.module.source.path
    if not any(s.is_definition for s in plan.staying):
        raise Refusal("not_movable", f"Nothing would be left in {path}: the group needs all of it.")
    names = set(plan.names)
    for statement in plan.staying:
        changed = _changes(statement) & names
        if changed:
            where = f"{path}:{statement.start}"
            raise Refusal("mutable_state", f"{where} changes {min(changed)}, which would move.")
        if statement.binds & names:
            raise Refusal(
                "not_movable",
                f"{path}:{statement.start} defines {min(statement.binds & names)} again.",
            )


def _changes(statement: Statement) -> set[str]:
    """Names of objects that a top-level statement alters: ``X[k] = v``, ``X.add(…)``."""
    node = statement.node
    if isinstance(node, Definition):
        return set()
    roots: set[str] = set()
    for child in ast.walk(node):
        targets: list[ast.expr] = []
        if isinstance(child, ast.Assign | ast.Delete):
            targets = [t for t in child.targets if isinstance(t, ast.Attribute | ast.Subscript)]
        elif isinstance(child, ast.AugAssign):
            targets = [child.target]
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
            targets = [child.value.func] if isinstance(child.value.func, ast.Attribute) else []
        for target in targets:
            inner: ast.expr = target
            while isinstance(inner, ast.Attribute | ast.Subscript | ast.Call):
                inner = inner.func if isinstance(inner, ast.Call) else inner.value
            if isinstance(inner, ast.Name):
                roots.add(inner.id)
    return roots
