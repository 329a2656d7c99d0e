"""Audit events have names from one table."""

import ast
import re
from collections.abc import Iterator

from governance.events import EVENTS
from tests.architecture.source import ROOT, name, python_files

EVENT = re.compile(r"^[a-z_]+\.[a-z_]+$")


def _recorded() -> Iterator[tuple[str, str]]:
    """(place, event) of each `audit.record("…")` whose name is written out."""
    for path in python_files():
        if path.is_relative_to(ROOT / "tests"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _is_record(node.func) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield f"{name(path)}:{node.lineno}", first.value


def _is_record(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "record"
        and isinstance(function.value, ast.Name)
        and function.value.id == "audit"
    )


def test_the_names_that_the_code_writes_are_in_the_table() -> None:
    recorded = list(_recorded())
    assert recorded
    assert [(place, event) for place, event in recorded if event not in EVENTS] == []


def test_a_name_is_a_noun_and_a_verb() -> None:
    assert [event for event in EVENTS if not EVENT.match(event)] == []
    assert all(EVENTS.values()), "every event has a label for people"
