"""Two contracts of one tool: what differs, and what that means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel.actor import Actor
from kernel.problems import Invalid, Issue
from kernel.visibility import CHANGE

from registry import compatibility, contracts, resolution
from registry.compatibility import Difference
from registry.models import Tool, ToolVersion

DRAFT = "draft"


@dataclass(frozen=True)
class Comparison:
    """What lies between two contracts of one tool."""

    tool: Tool
    before: str
    after: str
    differences: tuple[Difference, ...]
    required: str
    left: Mapping[str, Any]
    right: Mapping[str, Any]

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
        left=contracts.lasting(one.contract),
        right=contracts.lasting(document),
    )
