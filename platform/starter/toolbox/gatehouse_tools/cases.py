"""Calls worth a test: recorded from the repository's own tests, and varied from those."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gatehouse_tools.groups import words

PER_FUNCTION = 30
VARIED = 24
READING = frozenset({"__contains__", "__len__", "__getitem__", "__str__", "__repr__"})
TOUCHES_FILES = re.compile(r"path|file|folder|dir|stream|fp|socket|url|host|command|cmd", re.I)
POOL: dict[str, tuple[str, ...]] = {
    "str": ('""', '"a"', '"Hello, World"', '"  two words "', '"ümläut-42"'),
    "int": ("0", "1", "-1", "7", "100"),
    "float": ("0.0", "1.5", "-2.25"),
    "bool": ("True", "False"),
    "bytes": ('b""', 'b"abc"', 'b"\\x00\\xff"'),
    "list": ("[]", "[1, 2, 3]"),
    "dict": ("{}", '{"a": 1}'),
    "tuple": ("()", "(1, 2)"),
    "None": ("None",),
}


@dataclass(frozen=True)
class Argument:
    keyword: str | None
    text: str
    name: str | None

    def __str__(self) -> str:
        return f"{self.keyword}={self.text}" if self.keyword else self.text


@dataclass(frozen=True)
class Case:
    """``lines`` come first, ``last`` is the expression whose outcome is asserted."""

    name: str
    last: str
    arguments: tuple[Argument, ...] = ()
    lines: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    invented: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"imports": list(self.imports), "lines": list(self.lines), "last": self.last}


def recorded_cases(lines: Iterable[str], module: str) -> list[Case]:
    """Read the recorder's file."""
    found: dict[Case, None] = {}
    for line in lines:
        try:
            event = json.loads(line)
            case = _call(event, module) if "arguments" in event else None
            histories = [] if case else _history(event, module)
        except (ValueError, KeyError, TypeError):
            continue
        for item in [case] if case else histories:
            found.setdefault(item)
    return list(found)


def _call(event: Mapping[str, Any], module: str) -> Case:
    arguments = tuple(Argument(*item) for item in event["arguments"])
    imports = {*event["imports"], f"from {module} import {event['name']}"}
    return call(event["name"], arguments, tuple(sorted(imports)))


def call(name: str, arguments: tuple[Argument, ...], imports: tuple[str, ...]) -> Case:
    return Case(name, f"{name}({', '.join(map(str, arguments))})", arguments, imports=imports)


def _history(event: Mapping[str, Any], module: str) -> list[Case]:
    """One object's life: a case for every call on it, after the calls before."""
    name = event["name"]
    variable = "_".join(words(name)) or "subject"
    variable = variable if variable.isidentifier() and variable != name else "subject"
    first, *rest = event["history"]
    imports = {f"from {module} import {name}"}
    if "text" in first:
        lines = [f"{variable} = {first['text']}"]
        imports |= set(first["imports"])
    elif first.get("method") == "__init__":
        lines = [f"{variable} = {name}({_texts(first)})"]
        imports |= set(first["imports"])
    else:
        return []
    cases: list[Case] = []
    methods: list[str] = []
    for step in rest:
        imports |= set(step["imports"])
        expression = _on(variable, step["method"], _texts(step))
        known = tuple(sorted(imports))
        past = (*dict.fromkeys(methods), step["method"])
        given = tuple(Argument(*item) for item in step["arguments"])
        cases.append(Case(name, expression, given, tuple(lines), known, past))
        if len(lines) > 1:
            cases.append(Case(name, expression, given, tuple(lines[:1]), known, past[-1:]))
        if step["method"] not in READING:
            methods.append(step["method"])
            lines.append(expression)
    return cases


def _texts(step: Mapping[str, Any]) -> str:
    return ", ".join(str(Argument(*item)) for item in step["arguments"])


def _on(variable: str, method: str, arguments: str) -> str:
    match method:
        case "__contains__":
            return (
                f"({arguments}) in {variable}"
                if ", " in arguments and "{" not in arguments
                else f"{arguments} in {variable}"
            )
        case "__len__":
            return f"len({variable})"
        case "__getitem__":
            return f"{variable}[{arguments}]"
        case "__call__":
            return f"{variable}({arguments})"
        case "__str__":
            return f"str({variable})"
        case "__repr__":
            return f"repr({variable})"
    return f"{variable}.{method}({arguments})"


def varied_cases(cases: Sequence[Case]) -> list[Case]:
    """Neighbours of recorded calls: one argument replaced by another value of its kind."""
    seen = {case.last for case in cases}
    found: list[Case] = []
    by_name: dict[str, int] = {}
    for case in cases:
        for index, argument in enumerate(() if case.lines else case.arguments):
            if TOUCHES_FILES.search(argument.name or "") or by_name.get(case.name, 0) >= VARIED:
                continue
            for text in _neighbours(argument.text):
                changed = replace(argument, text=text)
                arguments = (*case.arguments[:index], changed, *case.arguments[index + 1 :])
                neighbour = replace(call(case.name, arguments, case.imports), invented=True)
                if neighbour.last not in seen:
                    seen.add(neighbour.last)
                    found.append(neighbour)
                    by_name[case.name] = by_name.get(case.name, 0) + 1
    return found


def _neighbours(text: str) -> tuple[str, ...]:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ()
    kind = type(value).__name__
    if kind == "str" and value:
        longer = (f"{value} {value}", value.upper(), value[:-1], value[1:])
        return (*(json.dumps(v, ensure_ascii=False) for v in longer if v.isprintable()), '""')
    if kind == "int":
        return (str(value + 1), str(value - 1), "0", str(-value))
    return POOL.get(kind, ())


def invented_cases(tree: ast.Module, names: Sequence[str], module: str) -> list[Case]:
    """Calls made up from annotations and defaults, for functions that take plain values."""
    found: list[Case] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            pools = _pools(node)
            if pools is None:
                continue
            imports = (f"from {module} import {node.name}",)
            most = max((len(pool) for _, pool in pools), default=1)
            for round_ in range(min(VARIED, most * max(1, len(pools)))):
                arguments = tuple(
                    Argument(keyword, pool[(round_ + round_ // most * index) % len(pool)], keyword)
                    for index, (keyword, pool) in enumerate(pools)
                )
                bare = tuple(
                    replace(a, keyword=None) if i < 2 else a for i, a in enumerate(arguments)
                )
                if node.args.kwonlyargs:
                    bare = arguments
                found.append(replace(call(node.name, bare, imports), invented=True))
    return list(dict.fromkeys(found))


def _pools(node: ast.FunctionDef) -> list[tuple[str, tuple[str, ...]]] | None:
    """Per argument the values to try; None where an argument is of no plain kind."""
    arguments = [*node.args.args, *node.args.kwonlyargs]
    count = len(node.args.args) - len(node.args.defaults)
    defaults = [None] * count + list(node.args.defaults) + list(node.args.kw_defaults)
    if node.args.posonlyargs or (node.args.vararg and not arguments):
        return None
    pools = []
    for argument, default in zip(arguments, defaults, strict=True):
        if TOUCHES_FILES.search(argument.arg):
            return None
        kinds = re.findall(r"\w+", ast.unparse(argument.annotation)) if argument.annotation else []
        values = tuple(v for kind in kinds[:3] for v in POOL.get(kind, ()))
        if default is not None and isinstance(default, ast.Constant):
            kind = type(default.value).__name__
            values = (repr(default.value), *(values or POOL.get(kind, ())))
        if not values:
            return None
        pools.append((argument.arg, tuple(dict.fromkeys(values))))
    return pools
