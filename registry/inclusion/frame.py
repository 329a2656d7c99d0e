"""Where a proof stands, and how much may still be tried."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from registry.inclusion import nodes
from registry.inclusion.gaps import Gap
from registry.inclusion.nodes import Node

Reading = Literal["parameters", "result"]
Premise = tuple[Node, ...]
_Key = tuple[tuple[tuple[int, str], ...], tuple[int, str]]


@dataclass
class Effort:
    """How much may still be tried, and what both documents have in common."""

    left: int
    same_definitions: bool


@dataclass(frozen=True)
class Frame:
    """Where a proof stands: `open` is being proven of this very value, `assumed` was being proven
    of a value that holds it. The second may be relied on (values are finite), the first not."""

    reading: Reading
    effort: Effort
    prover: "Callable[[Premise, Node, Frame], list[Gap]]"
    open: frozenset[_Key] = field(default_factory=frozenset)
    assumed: frozenset[_Key] = field(default_factory=frozenset)
    depth: int = 0

    def within(self) -> "Frame":
        """The frame for a member or an item of the value."""
        held = self.assumed | self.open
        return replace(self, open=frozenset(), assumed=held, depth=self.depth + 1)

    def proving(self, key: _Key) -> "Frame":
        return replace(self, open=self.open | {key}, depth=self.depth + 1)

    def stable(self, node: Node) -> bool:
        """Whether the node's text means the same in both documents."""
        if '"$ref"' not in node.text and '"$dynamicRef"' not in node.text:
            return True
        return self.effort.same_definitions and nodes.leads_to_definitions(node.schema)

    def same(self, premise: Premise, keywords: tuple[str, ...], wanted: Node) -> bool:
        """Whether some part of the premise says these keywords exactly so."""
        asked = Node({k: wanted.schema[k] for k in keywords if wanted.has(k)}, wanted.root)
        if not self.stable(asked):
            return False
        return any(
            Node({k: node.schema[k] for k in keywords if node.has(k)}, node.root).text == asked.text
            for node in premise
            if isinstance(node.schema, dict)
        )

    def inner(self, premise: Premise, wanted: Node) -> list[Gap]:
        """The gaps of a member or an item: of another value, within this one."""
        expanded = tuple(part for node in premise for part in nodes.premises(node))
        return self.prover(expanded or (Node(True, wanted.root),), wanted, self.within())
