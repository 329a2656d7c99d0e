"""Line by line, what changed between two texts: Myers' O(ND) difference with a bounded D.

E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986). Texts may be
hostile; beyond `MOST_EDITS` edits the rest counts as replaced as a whole, so the cost is bounded.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

MOST_EDITS = 600

Opcode = tuple[str, int, int, int, int]


def split(text: str) -> list[str]:
    """Lines with their ends, broken at line feeds alone, as git and patch break them."""
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


class Differ(SequenceMatcher[str]):
    """difflib's grouping of changes into hunks, over the blocks that `opcodes` finds."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, "", "", autojunk=False)
        self.codes = opcodes(old, new)

    def get_opcodes(self) -> Any:
        return self.codes


def opcodes(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """difflib's opcodes: (tag, i1, i2, j1, j2), tag one of equal, replace, delete, insert."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    pairs = [(index, index) for index in range(head)]
    middle = _matches(old[head : len(old) - tail], new[head : len(new) - tail])
    pairs += [(head + i, head + j) for i, j in middle]
    pairs += [(len(old) - tail + k, len(new) - tail + k) for k in range(tail)]
    return _blocks(pairs, len(old), len(new))


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of lines that stay, in order; none when more than MOST_EDITS edits lie between."""
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(len(old) + len(new), MOST_EDITS) + 1):
        trail.append({k: furthest[k] for k in range(1 - edits, edits, 2)})
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (
                diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
            )
            x = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            if x >= len(old) and y >= len(new):
                return _walk_back(trail, len(old), len(new))
    return []


def _walk_back(trail: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs = []
    for edits in range(len(trail) - 1, -1, -1):
        furthest, diagonal = trail[edits], x - y
        down = diagonal == -edits or (
            diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
        )
        before = diagonal + 1 if down else diagonal - 1
        start_x = furthest[before] if edits else 0
        start_y = start_x - before if edits else 0
        while x > start_x and y > start_y:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = start_x, start_y
    return pairs[::-1]


def _blocks(pairs: list[tuple[int, int]], old_length: int, new_length: int) -> list[Opcode]:
    codes: list[Opcode] = []
    i = j = 0
    for left, right in [*pairs, (old_length, new_length)]:
        if i < left or j < right:
            tag = "replace" if i < left and j < right else "delete" if i < left else "insert"
            codes.append((tag, i, left, j, right))
        if left < old_length and right < new_length:
            codes = _extend(codes, left, right)
        i, j = left + 1, right + 1
    return codes


def _extend(codes: list[Opcode], left: int, right: int) -> list[Opcode]:
    if codes and codes[-1][0] == "equal":
        _, i1, _, j1, _ = codes.pop()
        codes.append(("equal", i1, left + 1, j1, right + 1))
    else:
        codes.append(("equal", left, left + 1, right, right + 1))
    return codes
