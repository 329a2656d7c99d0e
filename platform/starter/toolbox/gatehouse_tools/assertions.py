"""An observed outcome as an assertion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatehouse_tools.cases import Case

# What a made-up argument of the wrong kind provokes says nothing that a test should hold on to.
ACCIDENTS = frozenset(
    "TypeError AttributeError NameError UnboundLocalError IndexError KeyError RecursionError"
    " AssertionError NotImplementedError UnicodeDecodeError UnicodeEncodeError OverflowError"
    " StopIteration ImportError ModuleNotFoundError MemoryError".split()
)
UNSTABLE = "gives something else in another process, at another time or in another time zone"
SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()\n\"]")
OPAQUE = re.compile(r"""b?["'](?=\S*\d)(?=\S*[A-Za-z])[\w+/=.$:-]{48,}["']""")
MOST_KEYS = 8


@dataclass(frozen=True)
class Assertion:
    """``kind`` is value, raises or keys; ``expected`` the value's or the exception's text."""

    case: Case
    kind: str
    expected: str
    imports: tuple[str, ...]
    message: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    call: str = ""
    approximate: bool = False

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Preferred among equals: recorded before made up, values before errors, short."""
        return (not self.case.invented, self.kind != "raises", -len(self.program))

    @property
    def program(self) -> str:
        """The assertion as code that runs by itself."""
        return "\n".join(["import pytest", *self.imports, *self.case.lines, *self.statements])

    @property
    def statements(self) -> tuple[str, ...]:
        if self.kind == "raises":
            match = f", match={self.message}" if self.message else ""
            return (f"with pytest.raises({self.expected}{match}):", f"    {self.call}")
        if self.kind == "keys":
            checks = [f'assert result["{key}"] == {text}' for key, text in self.keys]
            return (f"result = {self.call}", *checks)
        return (comparison(self.call, self.expected, approximate=self.approximate),)


def comparison(call: str, expected: str, *, approximate: bool = False) -> str:
    if re.match(r".* in \w+$", call) and expected in ("True", "False"):
        return (
            f"assert {call}"
            if expected == "True"
            else f"assert {call.replace(' in ', ' not in ', 1)}"
        )
    if expected in ("None", "True", "False"):
        return f"assert {call} is {expected}"
    return (
        f"assert {call} == pytest.approx({expected})"
        if approximate
        else f"assert {call} == {expected}"
    )


def assertion_for(
    case: Case, first: Mapping[str, Any], second: Mapping[str, Any]
) -> Assertion | str:
    """The assertion that both observations bear out, or why there is none."""
    for observed in (first, second):
        if "unusable" in observed:
            return str(observed["unusable"])
    imports = tuple(sorted({*case.imports, *first.get("imports", ())}))
    if "raises" in first:
        return _raising(case, first, second, imports)
    if OPAQUE.fullmatch(str(first.get("value", ""))):
        return "an opaque string, which says nothing to a reader"
    call = f"{first['wrap']}({case.last})" if first.get("wrap") else case.last
    if first.get("value") == second.get("value"):
        approximate = bool(first.get("float")) and not str(first["value"]).endswith(".0")
        return Assertion(case, "value", first["value"], imports, call=call, approximate=approximate)
    stable = _stable_keys(first.get("keys") or {}, second.get("keys") or {})
    if not stable:
        return UNSTABLE
    return Assertion(case, "keys", first["value"], imports, keys=stable, call=call)


def _raising(
    case: Case, first: Mapping[str, Any], second: Mapping[str, Any], imports: tuple[str, ...]
) -> Assertion | str:
    if first["raises"] != second.get("raises"):
        return UNSTABLE
    if case.invented and first["raises"] in ACCIDENTS:
        return "an accident of made-up arguments"
    message = ""
    if first["message"] == second["message"]:
        plain = SPECIAL.split(first["message"])[0].strip()[:60]
        message = f'"{plain}"' if len(plain) >= 8 and plain.isprintable() else ""
    return Assertion(case, "raises", first["raises"], imports, message=message, call=case.last)


def _stable_keys(
    first: Mapping[str, str], second: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Entries of a dict that don't change, where others do; only those of plain literals."""
    same = [(k, v) for k, v in first.items() if second.get(k) == v and k.isidentifier()]
    plain = [(k, v) for k, v in same if not re.search(r"[A-Za-z_]\w*\(", v)]
    return tuple(plain[:MOST_KEYS])


def needs_check(why: str) -> bool:
    """Whether a dropped case is worth a line in the report: not when it was never writable."""
    return why in (UNSTABLE, "too slow", "an endless iterator")
