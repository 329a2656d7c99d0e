"""Two contracts of a tool side by side: what differs, what it means, and every line of both."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from kernel.actor import Actor
from kernel.problems import Invalid, Issue
from kernel.visibility import CHANGE

from registry import compatibility, contracts, resolution
from registry.compatibility import Difference
from registry.models import Tool, ToolVersion

DRAFT = "draft"
CONTEXT = 3
MAX_LINES = 4_000
Mark = Literal["same", "changed", "removed", "added", "skipped"]


@dataclass(frozen=True)
class Line:
    """One line of the two columns; a side that has none there is None."""

    mark: Mark
    left_number: int | None
    left: str | None
    right_number: int | None
    right: str | None


@dataclass(frozen=True)
class Comparison:
    """What lies between two contracts of one tool."""

    tool: Tool
    before: str
    after: str
    differences: tuple[Difference, ...]
    required: str
    lines: tuple[Line, ...]

    def of(self, kind: str) -> list[Difference]:
        return [each for each in self.differences if each.kind == kind]

    def as_json(self) -> dict[str, Any]:
        return {
            "tool": self.tool.name,
            "from": self.before,
            "to": self.after,
            "breaking": compatibility.is_breaking(self.differences),
            "required_version": self.required,
            "differences": [each.as_json() for each in self.differences],
        }


def compare(name: str, before: str | None, after: str | None, actor: Actor) -> Comparison:
    """Compare two versions of a visible tool, each a selector; `after` may be `draft`, which those
    see who may change the tool. Left out: the live version, and the draft.

    Raises UnknownTool, and Invalid where there is no such thing to compare.
    """
    one = resolution.resolve(name, before, actor)
    tool = Tool.objects.select_related("team", "live_version", "replacement").get(pk=one.tool.pk)
    if (after or DRAFT) == DRAFT:
        if not Tool.objects.visible_to(actor, CHANGE).filter(pk=tool.pk).exists():
            issue = Issue("/to", "the draft is for those who may change the tool")
            raise Invalid("Say which version to compare with: ?to=1.3.", errors=(issue,))
        return between(tool, one, contracts.document_of(tool), DRAFT)
    other = resolution.resolve(name, after, actor)
    return between(tool, one, other.contract, other.version)


def between(tool: Tool, one: ToolVersion, document: Mapping[str, Any], to: str) -> Comparison:
    """Compare a version with a document of the same tool."""
    differences = compatibility.compare(one.contract, document)
    return Comparison(
        tool=tool,
        before=one.version,
        after=to,
        differences=differences,
        required=str(compatibility.required_number(one.version, differences)),
        lines=columns(contracts.lasting(one.contract), contracts.lasting(document)),
    )


def columns(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Line, ...]:
    """Both documents as YAML, line by line beside each other; long equal stretches are left out."""
    one, other = _lines(before), _lines(after)
    # autojunk would take frequent lines (braces, types) out of the comparison.
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    found: list[Line] = []
    for mark, start, end, other_start, other_end in matcher.get_opcodes():
        if mark == "equal":
            found += _equal(one, start, end, other_start, at_end=end == len(one))
        else:
            found += _changed(one[start:end], other[other_start:other_end], start, other_start)
    return tuple(found)


def _lines(document: Mapping[str, Any]) -> list[str]:
    ordered = {name: document[name] for name in sorted(document)}
    text = yaml.safe_dump(ordered, sort_keys=True, allow_unicode=True, width=88)
    return text.splitlines()[:MAX_LINES]


def _equal(one: list[str], start: int, end: int, other: int, *, at_end: bool) -> list[Line]:
    rows = [
        Line("same", index + 1, one[index], index - start + other + 1, one[index])
        for index in range(start, end)
    ]
    head = CONTEXT if start else 0
    tail = 0 if at_end else CONTEXT
    if len(rows) <= head + tail + 1:
        return rows
    skipped = len(rows) - head - tail
    told = f"{skipped} lines are the same"
    last = rows[len(rows) - tail :] if tail else []
    return [*rows[:head], Line("skipped", None, told, None, told), *last]


def _changed(one: list[str], other: list[str], start: int, other_start: int) -> list[Line]:
    found = []
    for index in range(max(len(one), len(other))):
        left = one[index] if index < len(one) else None
        right = other[index] if index < len(other) else None
        mark: Mark = "removed" if right is None else "added" if left is None else "changed"
        found.append(
            Line(
                mark,
                start + index + 1 if left is not None else None,
                left,
                other_start + index + 1 if right is not None else None,
                right,
            )
        )
    return found
