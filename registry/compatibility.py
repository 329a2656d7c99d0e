"""What differs between two contracts of a tool, and what that means for those who rely on it.

A difference is `breaking` where a call that was answered may be refused, stopped or dearer now
(the callers' view), or where the tool may do, reach or be called by more than those who let it in
agreed to (the guard-rails' view). It is `compatible` where neither is so, and `cosmetic` where
only people can tell. What can't be proven to be wider is breaking, with that reason.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kernel.problems import Issue
from kernel.versions import Version

from registry import contracts, inclusion, powers
from registry.inclusion import Gap, Reading, changes, nodes
from registry.powers import Kind, Said

__all__ = ["Difference", "Kind", "compare", "is_breaking", "required_number"]

_UNSAID = frozenset({"version", *contracts.LIFECYCLE})
_ORDER: dict[str, int] = {"breaking": 0, "compatible": 1, "cosmetic": 2}
_EMPTY: Mapping[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True)
class Difference:
    """One place (JSON pointer) where two contracts differ, its class, and why it is that.

    `before` and `after` are the values there; None where there was, or is, none.
    """

    pointer: str
    kind: Kind
    message: str
    before: Any = None
    after: Any = None

    def as_json(self) -> dict[str, Any]:
        return {
            "pointer": self.pointer,
            "kind": self.kind,
            "message": self.message,
            "before": self.before,
            "after": self.after,
        }

    @property
    def issue(self) -> Issue:
        return Issue(self.pointer, self.message)


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The differences between two contract documents (`contracts.document_of`), the worst first.

    Lifecycle and number are left out; a part that a document doesn't have means its default.
    """
    found = [
        *_of_parameters(before.get("parameters") or _EMPTY, after.get("parameters") or _EMPTY),
        *_of_result(before.get("result_schema"), after.get("result_schema")),
    ]
    names = (set(before) | set(after)) - _UNSAID - {"parameters", "result_schema"}
    for name in sorted(names):
        found += [
            Difference(f"/{name}{said.pointer}", said.kind, said.message, said.before, said.after)
            for said in _of_part(name, before, after)
        ]
    return tuple(sorted(found, key=lambda each: (_ORDER[each.kind], each.pointer)))


def is_breaking(differences: Iterable[Difference]) -> bool:
    return any(each.kind == "breaking" for each in differences)


def required_number(before: Version | str, differences: Iterable[Difference]) -> Version:
    """The lowest number after `before` that is honest about the differences.

    Breaking: the next major, also below 1.0, because ranges such as `0.x` are promises too;
    compatible: the next minor; else the next patch.
    """
    last = Version.parse(before) if isinstance(before, str) else before
    kinds = {each.kind for each in differences}
    if "breaking" in kinds:
        return Version(last.major + 1, 0)
    if "compatible" in kinds:
        return Version(last.major, last.minor + 1)
    return Version(last.major, last.minor, last.patch + 1)


def _of_part(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Said]:
    one, other = powers.meant(before, name), powers.meant(after, name)
    if nodes.text(one) == nodes.text(other):
        return ()
    rule: Callable[[Any, Any], Iterable[Said]] | None = powers.RULES.get(name)
    if rule is None:
        return (Said("", "compatible", f"{name} changed", one, other),)
    return rule(one, other)


def _of_parameters(before: Any, after: Any) -> list[Difference]:
    gaps = inclusion.gaps(before, after, "parameters")
    renamed = changes.renames(before, after)
    found = [_gap("/parameters", gap, "parameters", renamed) for gap in gaps]
    return _filled(found, "/parameters", before, after, "parameters")


def _of_result(before: Any, after: Any) -> list[Difference]:
    if before is None and after is None:
        return []
    gaps = inclusion.gaps(
        True if after is None else after, True if before is None else before, "result"
    )
    found = [_gap("/result_schema", gap, "result", {}) for gap in gaps]
    return _filled(found, "/result_schema", before, after, "result")


def _gap(prefix: str, gap: Gap, reading: Reading, renamed: Mapping[str, str]) -> Difference:
    told = changes.told(gap, reading)
    if gap.keyword == "removed" and gap.pointer in renamed:
        told = f"it seems to be renamed to {renamed[gap.pointer]!r}: callers send the old name"
    before, after = (gap.has, gap.wants) if reading == "parameters" else (gap.wants, gap.has)
    return Difference(prefix + gap.pointer, "breaking", told, before, after)


def _filled(
    found: list[Difference], prefix: str, before: Any, after: Any, reading: Reading
) -> list[Difference]:
    """With each change that the gaps don't speak of: they are what a caller needn't mind."""
    covered = [each.pointer for each in found]
    for change in changes.changes(before, after):
        pointer = prefix + change.pointer
        if any(pointer == each or pointer.startswith(each + "/") for each in covered):
            continue
        kind, message = changes.judged(change, reading)
        found.append(Difference(pointer, kind, message, change.before, change.after))
    return found
