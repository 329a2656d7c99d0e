"""`$ref`s of one document: followed where they are local, refused with a reason where not."""

from typing import Any
from urllib.parse import unquote

from registry.importing.drafts import Unfit

MAX_HOPS = 20


class References:
    """Finds what local references point at."""

    def __init__(self, document: Any) -> None:
        self.document = document

    def find(self, ref: Any, place: str) -> tuple[Any, str]:
        """What the reference at `place` points at, and its pointer. Raises Unfit."""
        if not isinstance(ref, str):
            raise Unfit(place, "a $ref is a text")
        if not ref.startswith("#"):
            raise Unfit(place, f"{ref[:200]!r} lies outside of this document and isn't fetched")
        target = unquote(ref[1:])
        if target and not target.startswith("/"):
            raise Unfit(place, f"{ref[:200]!r} is an anchor; only JSON pointers are followed")
        node = self.document
        for part in target.split("/")[1:]:
            node = _child(node, part.replace("~1", "/").replace("~0", "~"), ref, place)
        return node, target

    def resolved(self, node: Any, place: str) -> tuple[Any, str]:
        """The node itself, or at the end of its `$ref`s, with its own pointer. Raises Unfit."""
        start = place
        for _ in range(MAX_HOPS):
            if not isinstance(node, dict) or "$ref" not in node:
                return node, place
            node, place = self.find(node["$ref"], place)
        raise Unfit(start, f"its $ref leads through more than {MAX_HOPS} others, or in a circle")


def _child(node: Any, part: str, ref: str, place: str) -> Any:
    if isinstance(node, dict) and part in node:
        return node[part]
    if isinstance(node, list) and part.isdecimal() and len(part) < 9 and int(part) < len(node):
        return node[int(part)]
    raise Unfit(place, f"{ref[:200]!r} points at nothing: there is no {part[:80]!r}")
