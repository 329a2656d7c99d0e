"""A test module written out: imports, parametrised cases, names that say what is tested."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gatehouse_tools.assertions import Assertion, comparison
from gatehouse_tools.layout import Layout, is_test
from gatehouse_tools.surgery import from_import, sort_key
from gatehouse_tools.tree import python_files, read_source

WIDTH = 88
MAX_PLACES = 20
RESERVED = frozenset({"request", "expected", "result", "pytest"})


@dataclass(frozen=True)
class Test:
    name: str
    code: str
    imports: tuple[str, ...]
    kills: frozenset[int]


@dataclass(frozen=True)
class Suite:
    """The tests of one file; ``killed`` names the faults that each notices."""

    module: str
    places: tuple[str, ...]
    written: tuple[Test, ...]

    @property
    def tests(self) -> tuple[str, ...]:
        return tuple(test.name for test in self.written)

    @property
    def killed(self) -> dict[str, list[str]]:
        return {
            t.name: [self.places[n] for n in sorted(t.kills)][:MAX_PLACES] for t in self.written
        }

    @property
    def text(self) -> str:
        code = "\n\n\n".join(test.code for test in self.written)
        imports = {statement for test in self.written for statement in test.imports}
        if "pytest." in code:
            imports.add("import pytest")
        head = f'"""What ``{self.module}`` does, as observed when it became a module."""\n\n'
        return f"{head}{import_block(imports, self.module)}\n\n{code}\n"

    def proven(self, kills: Mapping[str, frozenset[int]]) -> Suite:
        """The tests with the faults they were seen to notice; without those that noticed none."""
        kept = [replace(t, kills=kills.get(t.name, t.kills)) for t in self.written]
        return replace(self, written=tuple(test for test in kept if test.kills))

    def without(self, names: Iterable[str]) -> Suite:
        gone = set(names)
        return replace(self, written=tuple(t for t in self.written if t.name not in gone))


def write_suite(
    chosen: Sequence[tuple[int, Assertion]],
    kills: Mapping[int, frozenset[int]],
    module: str,
    places: Sequence[str],
) -> Suite:
    usable = _without_clashes(chosen)
    groups: dict[tuple[str, ...], list[tuple[int, Assertion]]] = {}
    for number, assertion in usable:
        groups.setdefault(_shape(number, assertion), []).append((number, assertion))
    tests: list[Test] = []
    taken: set[str] = set()
    for members in groups.values():
        assertions = [assertion for _, assertion in members]
        name = _unique(_sentence(assertions), taken)
        code = _table(name, assertions) if len(assertions) > 1 else _single(name, assertions[0])
        imports = tuple(sorted({i for a in assertions for i in a.imports}))
        noticed = frozenset().union(*(kills[number] for number, _ in members))
        tests.append(Test(name, code, imports, noticed))
    return Suite(module, tuple(places), tuple(tests))


def _without_clashes(chosen: Sequence[tuple[int, Assertion]]) -> list[tuple[int, Assertion]]:
    """One name can be imported from one module only."""
    origin: dict[str, str] = {}
    usable = []
    for number, assertion in chosen:
        bound = {_bound(statement): statement for statement in assertion.imports}
        if all(origin.get(name, statement) == statement for name, statement in bound.items()):
            origin |= bound
            usable.append((number, assertion))
    return usable


def _bound(statement: str) -> str:
    return statement.rsplit(" ", 1)[-1]


def _shape(number: int, assertion: Assertion) -> tuple[str, ...]:
    """Assertions of one shape fit in one table."""
    case = assertion.case
    names = tuple(a.name or "" for a in case.arguments)
    alone = case.lines or assertion.kind == "keys" or not names or "" in names
    if alone or assertion.approximate or len(set(names)) < len(names):
        return (str(number),)
    how = (*(a.keyword or "" for a in case.arguments), assertion.call.split("(")[0])
    raised = (assertion.expected, assertion.message) if assertion.kind == "raises" else ()
    return (case.name, assertion.kind, *raised, *names, *how)


def _table(name: str, assertions: Sequence[Assertion]) -> str:
    """One parametrised test; arguments that are always the same stay in the call."""
    first = assertions[0]
    columns = [
        index
        for index in range(len(first.case.arguments))
        if len({a.case.arguments[index].text for a in assertions}) > 1
    ]
    names = {index: _column(first.case.arguments[index].name or "", first) for index in columns}
    raises = first.kind == "raises"
    header = [*names.values(), *([] if raises else ["expected"])]
    rows = []
    for assertion in assertions:
        row = [assertion.case.arguments[index].text for index in columns]
        row += [] if raises else [assertion.expected]
        rows.append(f"({', '.join(row)})" if len(row) > 1 else row[0])
    arguments = [
        replace(argument, text=names.get(index, argument.text))
        for index, argument in enumerate(first.case.arguments)
    ]
    call = f"{first.case.name}({', '.join(map(str, arguments))})"
    call = f"list({call})" if first.call.startswith("list(") and first.case.name != "list" else call
    quoted = [f'"{column}"' for column in header]
    shown = f"({', '.join(quoted)})" if len(quoted) > 1 else quoted[0]
    values = "".join(f"        {wrapped(row, 8, WIDTH - 1)},\n" for row in rows)
    body = (
        "\n    ".join(replace(first, call=call).statements)
        if raises
        else comparison(call, "expected")
    )
    return (
        f"@pytest.mark.parametrize(\n    {shown},\n    [\n{values}    ],\n)\n"
        f"def {name}({', '.join(header)}):\n    {_fit(body, 4)}"
    )


def _column(name: str, assertion: Assertion) -> str:
    taken = {_bound(statement) for statement in assertion.imports} | RESERVED
    clean = name.strip("_") or "value"
    return f"{clean}_value" if clean in taken or not clean.isidentifier() else clean


def _single(name: str, assertion: Assertion) -> str:
    lines = [*assertion.case.lines, *assertion.statements]
    body = "\n".join("    " + _fit(line, 4) for line in lines)
    return f"def {name}():\n{body}"


def _fit(line: str, indent: int) -> str:
    """A statement broken at its brackets where it is too long."""
    if all(len(part) + indent <= WIDTH for part in line.split("\n")):
        return line
    bare = line.lstrip()
    inner = indent + len(line) - len(bare)
    try:
        node = ast.parse(bare if not bare.startswith("with ") else "pass").body[0]
    except SyntaxError:
        return line
    lead = line[: len(line) - len(bare)]
    if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
        left, right = (
            ast.get_source_segment(bare, n) or ""
            for n in (node.test.left, node.test.comparators[0])
        )
        sign = bare[len("assert ") + len(left) : len(bare) - len(right)]
        if len(f"{left}{sign}") + inner < WIDTH - 12:
            return f"{lead}assert {left}{sign}{wrapped(right, inner, 0)}"
        rest = _fit(f"assert result{sign}{right}", inner)
        return f"{lead}result = {wrapped(left, inner, 0)}\n{' ' * inner}{rest}"
    if isinstance(node, ast.Assign):
        target, _, value = bare.partition(" = ")
        return f"{lead}{target} = {wrapped(value, inner, 0)}"
    return lead + wrapped(bare, inner, 0) if isinstance(node, ast.Expr) else line


def wrapped(text: str, indent: int, width: int) -> str:
    """An expression with one element per line, if it doesn't fit beside the indent."""
    if len(text) + indent <= width:
        return text
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return text
    inner = " " * (indent + 4)

    def segment(child: ast.AST) -> str:
        return ast.get_source_segment(text, child) or ast.unparse(child)

    if isinstance(node, ast.Call) and (node.args or node.keywords):
        items = [segment(a) for a in node.args] + [
            f"{k.arg}={segment(k.value)}" for k in node.keywords
        ]
        opening, closing = segment(node.func) + "(", ")"
    elif isinstance(node, ast.List | ast.Tuple | ast.Set) and node.elts:
        items = [segment(e) for e in node.elts]
        brackets = {"List": ("[", "]"), "Tuple": ("(", ")"), "Set": ("{", "}")}
        opening, closing = brackets[type(node).__name__]
    elif isinstance(node, ast.Dict) and node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        items = [f"{segment(k)}: {segment(v)}" for k, v in pairs if k is not None]
        opening, closing = "{", "}"
    else:
        return text
    body = "".join(f"{inner}{_element(item, indent + 4)},\n" for item in items)
    return f"{opening}\n{body}{' ' * indent}{closing}"


def _element(item: str, indent: int) -> str:
    key, colon, value = item.partition(": ")
    if colon and len(item) + indent >= WIDTH and key.startswith('"'):
        return f"{key}: {wrapped(value, indent, WIDTH - len(key) - 3)}"
    return wrapped(item, indent, WIDTH - 1)


def _sentence(assertions: Sequence[Assertion]) -> str:
    """A test's name, read as a sentence."""
    first = assertions[0]
    case = first.case
    subject = _snake(case.name)
    if case.methods:
        past = [m.strip("_") for m in dict.fromkeys(case.methods[:-1]) if m != "__call__"]
        after = f"_after_{'_and_'.join(past[:2])}" if past else ""
        last = "" if case.methods[-1] == "__call__" else f"_{case.methods[-1].strip('_')}"
        subject = f"{subject}{last}{after}"
    if first.kind == "raises":
        about = _about(first) if len(assertions) == 1 else ""
        return f"test_{subject}_raises_{_snake(first.expected)}{about}"
    if first.kind == "keys":
        return f"test_{subject}_fills_in_{'_and_'.join(_snake(k) for k, _ in first.keys[:2])}"
    if len(assertions) > 1:
        return f"test_{subject}_gives_what_is_expected"
    words = {"None": "is_none", "True": "is_true", "False": "is_false"}
    if first.expected in words:
        return f"test_{subject}_{words[first.expected]}{_about(first)}"
    given, result = (
        _slug(first.case.arguments[0].text if first.case.arguments else ""),
        _slug(first.expected),
    )
    if result and result == given:
        return f"test_{subject}_keeps_{result}"
    return f"test_{subject}_gives_{result or 'the_recorded_result'}{_about(first)}"


def _about(assertion: Assertion) -> str:
    """The first argument, if it is short enough to be read in a name."""
    slug = _slug(assertion.case.arguments[0].text if assertion.case.arguments else "")
    return f"_for_{slug}" if slug else ""


def _slug(text: str) -> str:
    """The words of a plain literal, if they're few; an empty string says so."""
    if text in ('""', 'b""'):
        return "an_empty_string"
    if not re.fullmatch(r"""b?["'].*["']|-?[\d.]+""", text):
        return ""
    found = re.findall(r"[A-Za-z0-9]+", text.removeprefix("b").strip("\"'"))
    slug = "_".join(found).lower()
    return ("minus_" if text.startswith("-") else "") + slug if len(slug) <= 28 else ""


def _snake(text: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", text)
    return re.sub(r"_+", "_", spaced).strip("_").lower() or "it"


def _unique(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def import_block(imports: Iterable[str], module: str) -> str:
    """isort's three blocks: standard library, third parties, the repository's own."""
    froms: dict[str, set[str]] = {}
    plain: set[str] = set()
    for statement in imports:
        match = re.fullmatch(r"from (\S+) import (\S+)", statement)
        if match:
            froms.setdefault(match[1], set()).add(match[2])
        else:
            plain.add(statement.removeprefix("import "))
    lines: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for name in sorted(plain):
        lines[_block(name, module)].append(f"import {name}\n")
    for name, members in sorted(froms.items()):
        text = from_import(name, sorted(members, key=sort_key), WIDTH)
        lines[_block(name, module)].append(text)
    return "\n".join("".join(block) for block in lines.values() if block)


def _block(name: str, module: str) -> int:
    top = name.split(".")[0]
    if top == module.split(".")[0]:
        return 2
    return 0 if top in sys.stdlib_module_names else 1


def place_for(root: Path, target: str, layout: Layout) -> str:
    """Beside the tests that already speak of the module, else where most tests are."""
    module = layout.module_name(target) or ""
    folders: Counter[str] = Counter()
    suffixed = 0
    for path in python_files(root):
        name = PurePosixPath(path).name
        if not is_test(path) or not re.search(r"^test_|_test\.py$|^tests?\.py$", name):
            continue
        source = read_source(root, path)
        speaks = source is not None and re.search(rf"\b{re.escape(module)}\b", source.text)
        folders[PurePosixPath(path).parent.as_posix()] += 50 if speaks else 1
        suffixed += 1 if name.endswith("_test.py") else -1
    folder = min(folders, key=lambda f: (-folders[f], f)) if folders else "tests"
    stem = PurePosixPath(target).stem.strip("_")
    existing = {PurePosixPath(path).name for path in python_files(root)}
    for number in range(1, 100):
        subject = stem if number == 1 else f"{stem}_observed" if number == 2 else f"{stem}_{number}"
        name = f"{subject}_test.py" if suffixed > 0 else f"test_{subject}.py"
        path = (PurePosixPath(folder) / name).as_posix()
        if name not in existing and not (root / path).exists():
            return path
    raise AssertionError("a hundred names are taken")
