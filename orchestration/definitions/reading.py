"""From a document to its parts: every key known, every value of the right kind, or a fault."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from kernel.versions import Version, VersionError

from orchestration.definitions.nodes import (
    KEEP,
    ROLL_BACK,
    AgentNode,
    GateNode,
    Node,
    Retry,
    ToolNode,
)
from orchestration.definitions.source import Document

NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
MAX_STEPS = 200
_DURATION = re.compile(r"^(\d{1,9})\s*(s|m|h|d)?$")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

TOP = {
    "name", "version", "description", "team", "baseline_minutes", "input", "steps", "output"
}  # fmt: skip
_SHARED = {"name", "description", "needs", "when", "retry", "timeout", "on_failure"}
_OF_KIND = {
    "agent": {"agent", "task", "input", "output", "permissions"},
    "tool": {"tool", "version", "arguments", "as", "output"},
    "gate": {"gate"},
}
_RETRY = {"attempts", "backoff", "factor", "max"}
_GATE = {"question", "reviewers", "quorum", "deadline", "show", "on_request_changes", "on_reject"}
_LOOP = {"back_to", "limit"}
_REVIEWERS = {"role", "team", "users"}


class Reader:
    """One mapping of the document: takes typed values out of it and notes what doesn't fit."""

    def __init__(self, document: Document, where: str, value: Any, known: set[str]) -> None:
        self.document, self.where = document, where
        self.value: Mapping[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            document.fault(where, f"must be a mapping with {', '.join(sorted(known))}")
        for key in self.value:
            if key not in known:
                self.fault(key, f"unknown key {key!r}; known: {', '.join(sorted(known))}")

    def fault(self, key: str, message: str) -> None:
        self.document.fault(f"{self.where}/{key}", message)

    def text(self, key: str, *, required: bool = False, longest: int = 10_000) -> str:
        value = self.value.get(key)
        if value is None:
            if required:
                self.fault(key, f"{key!r} is missing")
            return ""
        if not isinstance(value, str):
            self.fault(key, f"must be text; put quotes around {value!r}")
            return ""
        if len(value) > longest:
            self.fault(key, f"is longer than {longest} characters")
        return value

    def name(self, key: str) -> str:
        found = self.text(key, required=True)
        if found and not NAME.match(found):
            self.fault(key, f"{found!r}: use lower-case letters, digits and underscores (64)")
        return found

    def names(self, key: str) -> tuple[str, ...]:
        value = self.value.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fault(key, "must be a list of names")
            return ()
        if len(set(value)) < len(value):
            self.fault(key, "names something twice")
        return tuple(dict.fromkeys(value))

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.value.get(key)
        if value is not None and not isinstance(value, dict):
            self.fault(key, "must be a mapping")
            return {}
        return dict(value or {})

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        value = self.value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(key, f"must be a whole number from {least} to {most}")
            return default
        return value

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        value = self.value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(key, "must be a number")
            return default
        if not least <= value <= most:
            self.fault(key, f"must be from {least:g} to {most:g}")
            return default
        return float(value)

    def duration(self, key: str) -> timedelta | None:
        """`30`, `30s`, `15m`, `12h` or `3d`."""
        value = self.value.get(key)
        if value is None:
            return None
        found = _DURATION.match(str(value)) if not isinstance(value, bool) else None
        seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not 0 < seconds <= 366 * 86400:
            self.fault(key, f"{value!r} is no duration; write 30s, 15m, 12h or 3d")
            return None
        return timedelta(seconds=seconds)

    def inner(self, key: str, known: set[str]) -> "Reader":
        return Reader(self.document, f"{self.where}/{key}", self.value.get(key, {}), known)


def version(top: Reader) -> str:
    found = top.text("version", required=True)
    if found:
        try:
            Version.parse(found)
        except VersionError as error:
            top.fault("version", str(error))
    return found


def minutes(top: Reader) -> Decimal:
    try:
        found = Decimal(str(top.value.get("baseline_minutes", 0)))
    except InvalidOperation:
        found = Decimal(-1)
    if not 0 <= found < 10_000_000:
        top.fault("baseline_minutes", "must be a number of minutes, 0 or more")
        return Decimal(0)
    return found


def steps(document: Document, value: Any) -> tuple[Node, ...]:
    """The steps in order; one without `needs` rests on the one before it."""
    if not isinstance(value, list) or not value:
        document.fault("/steps", "must be a list with at least one step")
        return ()
    if len(value) > MAX_STEPS:
        document.fault("/steps", f"has {len(value)} steps; at most {MAX_STEPS} are accepted")
        return ()
    found: list[Node] = []
    for position, entry in enumerate(value):
        node = _step(document, position, entry, found[-1].name if found else None)
        if node is not None:
            found.append(node)
    return tuple(found)


def _step(document: Document, position: int, entry: Any, before: str | None) -> Node | None:
    where = f"/steps/{position}"
    kinds = [kind for kind in _OF_KIND if isinstance(entry, dict) and kind in entry]
    if len(kinds) != 1:
        document.fault(where, "a step has exactly one of `agent`, `tool` and `gate`")
        return None
    kind = kinds[0]
    reader = Reader(document, where, entry, _SHARED | _OF_KIND[kind])
    shared = _shared(reader, position, before)
    if kind == "gate":
        return _gate(reader, shared)
    return _agent(reader, shared) if kind == "agent" else _tool(reader, shared)


def _shared(reader: Reader, position: int, before: str | None) -> dict[str, Any]:
    needs = reader.names("needs") if "needs" in reader.value else ((before,) if before else ())
    on_failure = reader.text("on_failure") or "fail"
    if on_failure not in ("fail", "continue"):
        reader.fault("on_failure", "must be `fail` or `continue`")
    return {
        "name": reader.name("name"),
        "position": position,
        "needs": needs,
        "description": reader.text("description"),
        "when": reader.text("when") or None,
        "retry": _retry(reader),
        "timeout": reader.duration("timeout"),
        "goes_on": on_failure == "continue",
    }


def _retry(reader: Reader) -> Retry:
    if "retry" not in reader.value:
        return Retry()
    inner = reader.inner("retry", _RETRY)
    return Retry(
        attempts=inner.whole("attempts", 3, least=1, most=100),
        backoff=inner.number("backoff", 5, least=0, most=86400),
        factor=inner.number("factor", 2, least=1, most=10),
        longest=inner.number("max", 300, least=0, most=86400),
    )


def _agent(reader: Reader, shared: dict[str, Any]) -> AgentNode:
    return AgentNode(
        **shared,
        agent=reader.name("agent"),
        task=reader.text("task", required=True),
        input=reader.mapping("input"),
        permissions=reader.names("permissions"),
        output=reader.text("output"),
    )


def _tool(reader: Reader, shared: dict[str, Any]) -> ToolNode:
    return ToolNode(
        **shared,
        tool=reader.name("tool"),
        agent=reader.name("as"),
        arguments=reader.mapping("arguments"),
        version=reader.text("version") or None,
        output=reader.text("output"),
    )


def _gate(reader: Reader, shared: dict[str, Any]) -> GateNode:
    for key in ("retry", "timeout", "on_failure"):
        if key in reader.value:
            reader.fault(key, "a gate has a `deadline` of its own, and no retry")
    gate = reader.inner("gate", _GATE)
    loop = gate.inner("on_request_changes", _LOOP) if "on_request_changes" in gate.value else None
    return GateNode(
        **shared,
        question=gate.text("question", required=True),
        reviewers=_reviewers(gate),
        quorum=gate.whole("quorum", 1, least=1, most=50),
        deadline=gate.duration("deadline"),
        show=gate.mapping("show"),
        back_to=loop.name("back_to") if loop else None,
        limit=loop.whole("limit", 3, least=1, most=50) if loop else 0,
        on_reject=_on_reject(gate),
    )


def _on_reject(gate: Reader) -> str:
    found = gate.text("on_reject") or KEEP
    if found not in (KEEP, ROLL_BACK):
        gate.fault("on_reject", f"{found!r}: write {KEEP} or {ROLL_BACK}")
    return found


def _reviewers(gate: Reader) -> dict[str, Any]:
    inner = gate.inner("reviewers", _REVIEWERS)
    if not inner.value:
        gate.fault("reviewers", "say who may decide: role, team or users")
    found: dict[str, Any] = {}
    for key in ("role", "team"):
        if key in inner.value:
            found[key] = inner.text(key)
    if "users" in inner.value:
        found["users"] = list(inner.names("users"))
    return found
