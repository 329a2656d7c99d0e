"""What an import does, as values: looked at first, then written as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kernel import canonical

from registry.compatibility import Difference
from registry.importing.drafts import Skipped
from registry.models import Team, Tool

Act = Literal["create", "update", "unchanged"]


@dataclass(frozen=True)
class Planned:
    """What happens to one tool: its whole entry afterwards, and how that differs from the live
    version. `draft` says why it isn't published; empty when it is."""

    act: Act
    name: str
    place: str
    entry: Mapping[str, Any]
    number: str
    live: str | None = None
    differences: tuple[Difference, ...] = ()
    draft: str = ""
    secrets: tuple[str, ...] = ()
    tool: Tool | None = None
    team: Team | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The row that it is about, as it was; its owner; the contract that it is published as."""

    def as_json(self) -> dict[str, Any]:
        return {
            "act": self.act,
            "name": self.name,
            "own_name": self.entry.get("origin", {}).get("name", self.name),
            "place": self.place,
            "version": self.number,
            "live_version": self.live,
            "published": not self.draft,
            "draft_because": self.draft,
            "secrets": list(self.secrets),
            "differences": [each.as_json() for each in self.differences],
        }


@dataclass(frozen=True)
class Plan:
    """What an import does. `gone` names tools that an earlier import of the same source made and
    that it doesn't hold any more: they stay until somebody deprecates them."""

    planned: tuple[Planned, ...]
    skipped: tuple[Skipped, ...] = ()
    gone: tuple[str, ...] = ()
    kind: str = ""
    source: str = ""

    def of(self, act: Act) -> tuple[Planned, ...]:
        return tuple(each for each in self.planned if each.act == act)

    @property
    def digest(self) -> str:
        """Over what would be written: what was looked at is what is applied."""
        return canonical.digest([[e.act, e.name, e.number, dict(e.entry)] for e in self.planned])

    def as_json(self) -> dict[str, Any]:
        acts: tuple[Act, ...] = ("create", "update", "unchanged")
        return {
            "format": self.kind,
            "source": self.source,
            "counts": {act: len(self.of(act)) for act in acts} | {"skipped": len(self.skipped)},
            "tools": [each.as_json() for each in self.planned],
            "skipped": [each.as_json() for each in self.skipped],
            "gone": list(self.gone),
            "digest": self.digest,
        }
