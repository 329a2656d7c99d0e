"""The function sets of BFCL (the PyPI package bfcl-eval, Apache 2.0) and their ground truth.

A question has functions, in a dialect of OpenAI's function JSON whose types are those of Python,
Java or JavaScript. Its ground truth is a list of calls. Single-turn: `{function: {argument: [every
value that counts as right]}}`, where `""` among the values says that the argument may be left out,
and the members of an object are such lists again. Multi-turn: Python calls as text, by turn.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GAP = re.compile(r"\s*")


@dataclass(frozen=True)
class Case:
    """One question: its functions, and the calls that answer it as (function, arguments)."""

    name: str
    category: str
    functions: list[dict[str, Any]]
    calls: list[tuple[str, dict[str, Any]]]


_DOCS = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}


def cases(data: Path) -> Iterator[Case]:
    """Every question of the folder `bfcl_eval/data` that has functions."""
    docs = {
        name: _lines(data / "multi_turn_func_doc" / f"{doc}.json") for name, doc in _DOCS.items()
    }
    files = sorted(data.glob("BFCL_v4_*.json"))
    files += sorted((data / "unused_datasets" / "question").glob("BFCL_v4_*.json"))
    for file in files:
        category = file.stem.removeprefix("BFCL_v4_")
        truth = file.parent.parent / "possible_answer" / file.name
        if file.parent == data:
            truth = data / "possible_answer" / file.name
        answers = {row["id"]: row.get("ground_truth") for row in _lines(truth)}
        for row in _lines(file):
            functions = row.get("function") or []
            for each in row.get("involved_classes") or ():
                functions = [*functions, *docs.get(each, ())]
            if functions:
                found = list(_calls(answers.get(row["id"]), functions))
                yield Case(row["id"], category, functions, found)
    for file in sorted((data / "multi_turn_func_doc").glob("*.json")):
        yield Case(file.stem, "multi_turn_func_doc", _lines(file), [])


def _lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file: one a line, or one after another over several lines."""
    found: list[dict[str, Any]] = []
    text = file.read_text() if file.exists() else ""
    at, decoder = 0, json.JSONDecoder()
    while start := _GAP.match(text, at):
        if start.end() == len(text):
            break
        value, at = decoder.raw_decode(text, start.end())
        found.append(value)
    return found


def _calls(truth: Any, functions: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in truth if isinstance(truth, list) else []:
        if isinstance(entry, dict):
            for name, arguments in entry.items():
                yield name, {key: _first(values) for key, values in _said(arguments)}
        else:
            for text in entry if isinstance(entry, list) else [entry]:
                if isinstance(text, str) and (found := _parsed(text, functions)):
                    yield found


def _said(arguments: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """The arguments that a right call may have, each with its values but the one for none."""
    said = {key: [v for v in values if v != ""] for key, values in arguments.items()}
    # Where "" is the only value, the empty text itself is meant if the argument can't be left out.
    return [(key, values) for key, values in said.items() if values]


def _first(values: list[Any]) -> Any:
    return _plain(values[0])


def _plain(value: Any) -> Any:
    """A value of the ground truth: the members of an object are lists of right values again."""
    if isinstance(value, dict):
        listed = all(isinstance(each, list) for each in value.values())
        return {key: _first(each) for key, each in _said(value)} if listed else value
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _parsed(text: str, functions: list[dict[str, Any]]) -> tuple[str, dict[str, Any]] | None:
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call):
            return None
        name = ast.unparse(call.func)
        known = next((each for each in functions if each["name"] == name), None)
        order = list((known or {}).get("parameters", {}).get("properties", {}))
        values = [ast.literal_eval(each) for each in call.args]
        arguments = dict(zip(order, values, strict=False))
        arguments |= {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
    except (SyntaxError, ValueError):
        return None
    return name, json.loads(json.dumps(arguments, default=list))
