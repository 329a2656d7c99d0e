"""Many tools as one document of a format, each under its own name where the format allows it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from registry import catalogue, contracts
from registry.exporting import formats
from registry.exporting.strict import Loose
from registry.models import Tool

FORMATS = ("openai", "anthropic", "mcp", "yaml")
NAMES = {
    "openai": re.compile(r"[a-zA-Z0-9_-]{1,64}"),
    "anthropic": re.compile(r"[a-zA-Z0-9_-]{1,128}"),
    "mcp": re.compile(r"[a-zA-Z0-9_./-]{1,128}"),
}
"""What each format takes for a name."""

_MAKERS: dict[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
    "openai": formats.openai,
    "anthropic": formats.anthropic,
    "mcp": formats.mcp,
}


@dataclass(frozen=True)
class LeftOut:
    """A tool that isn't as it was asked for in the export, and why."""

    name: str
    place: str
    reason: str

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "place": self.place, "reason": self.reason}


@dataclass(frozen=True)
class Exported:
    """The tools of an export; `names` maps the names in it to the registry's, where they differ."""

    tools: tuple[dict[str, Any], ...]
    left_out: tuple[LeftOut, ...]
    names: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "tools": list(self.tools),
            "left_out": [each.as_json() for each in self.left_out],
            "names": dict(self.names),
        }


def export(rows: Iterable[Tool], kind: str, *, strict: bool = False) -> Exported:
    """The live versions of the tools in a format. With `strict`, OpenAI functions whose schema has
    no strict form come in the plain one, with the reason in `left_out`."""
    if kind == "yaml":
        return Exported(tuple(catalogue.entry_of(row) for row in rows), (), {})
    live = [row for row in rows if row.live_version is not None]
    names = _names(live, NAMES[kind])
    tools, left_out = [], []
    for row in live:
        contract, name = _contract(row), names[row.name]
        try:
            made = formats.openai_strict(contract, name) if strict and kind == "openai" else None
        except Loose as loose:
            left_out.append(LeftOut(row.name, loose.place, f"not strict: {loose.reason}"))
            made = None
        tools.append(made or _MAKERS[kind](contract, name))
    differing = {theirs: ours for ours, theirs in names.items() if ours != theirs}
    return Exported(tuple(tools), tuple(left_out), differing)


def text(exported: Exported) -> str:
    """An export of entries as YAML, one document each: a file of a catalogue."""
    dumped: str = yaml.safe_dump_all(
        exported.tools, sort_keys=False, allow_unicode=True, width=100, explicit_start=True
    )
    return dumped


def _contract(row: Tool) -> dict[str, Any]:
    version = row.live_version
    contract: dict[str, Any] = version.contract if version else {}
    return contract | contracts.lifecycle_of(row)


def _names(rows: list[Tool], allowed: re.Pattern[str]) -> dict[str, str]:
    """The registry's names and those that the tools bear outside: their own, where the format
    takes it and no other tool of the export bears it."""
    own = {row.name: str(row.origin.get("name", "")) or row.name for row in rows}
    counts = Counter([*own.values(), *(row.name for row in rows if own[row.name] != row.name)])
    return {
        name: theirs if allowed.fullmatch(theirs) and counts[theirs] == 1 else name
        for name, theirs in own.items()
    }
