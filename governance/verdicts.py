"""The outcome of judging one call, and how two outcomes meet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from kernel import canonical

from governance import packages

Effect = Literal["allow", "require_approval", "deny"]
Limit = int | float | str | tuple[str, ...]

STRICTNESS: Mapping[str, int] = {"allow": 0, "require_approval": 1, "deny": 2}
STRICTEST: Mapping[str, str] = {"network": "none", "access": "read"}
"""Limits that are words: the one that leaves the least."""

PAYLOADS = ("full", "digest", "none")
"""Where payloads may be kept, the strictest last."""

PERMISSION_MISSING = "permission_missing"
DENIED_BY_POLICY = "denied_by_policy"


@dataclass(frozen=True)
class Explained:
    """What one rule of one policy version said; `failed`: why its condition can't be judged."""

    policy: str
    version: str
    rule: str
    effect: str
    message: str
    shadow: bool = False
    failed: str = ""

    def as_json(self) -> dict[str, Any]:
        shown = {
            "policy": self.policy,
            "version": self.version,
            "rule": self.rule,
            "effect": self.effect,
            "message": self.message,
            "shadow": self.shadow,
        }
        return shown | ({"failed": self.failed} if self.failed else {})


@dataclass(frozen=True)
class ReviewSpec:
    """Who is asked: `reviewers` as `Approval.reviewers` keeps it, how many must approve, and within
    how many seconds."""

    reviewers: Mapping[str, Any]
    quorum: int = 1
    deadline: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "reviewers": dict(self.reviewers),
            "quorum": self.quorum,
            "deadline": self.deadline,
        }

    @property
    def groups(self) -> tuple[dict[str, Any], ...]:
        """Each group that is asked, with its own quorum."""
        return groups_of(self.reviewers, self.quorum)

    def meet(self, other: "ReviewSpec") -> "ReviewSpec":
        """Both are asked: each group keeps its own quorum, and the earlier deadline holds."""
        deadlines = [spec.deadline for spec in (self, other) if spec.deadline is not None]
        return ReviewSpec(
            reviewers=_joined([*self.groups, *other.groups]),
            quorum=max(self.quorum, other.quorum),
            deadline=min(deadlines, default=None),
        )


def groups_of(reviewers: Mapping[str, Any], quorum: int) -> tuple[dict[str, Any], ...]:
    """The groups in an approval's `reviewers`: `{"each": [group, …]}`, or the one group itself."""
    each = reviewers.get("each")
    return tuple(each) if each else (dict(reviewers) | {"quorum": quorum},)


def _joined(groups: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The groups without repetition, in an order that doesn't tell who came first."""
    quorums: dict[bytes, int] = {}
    bodies: dict[bytes, dict[str, Any]] = {}
    for group in groups:
        body = {name: value for name, value in group.items() if name != "quorum"}
        key = canonical.encode(body)
        bodies[key] = body
        quorums[key] = max(quorums.get(key, 1), int(group.get("quorum", 1)))
    if len(bodies) == 1:
        return next(iter(bodies.values()))
    return {"each": [bodies[key] | {"quorum": quorums[key]} for key in sorted(bodies)]}


def _frozen() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Verdict:
    """What policy says about one call.

    `limits`: timeout in seconds, memory, disk and output in bytes, cpu, processes, rows, network
    (`none`), access (`read`), packages (patterns), calls_per_period (`policy/rule agent 9/hour`,
    each a bucket of its own). `obligations`: what must be done beside the
    call, such as `{"audit": True, "expire": {"after": 86400, "what": "effect"}}`.
    `redactions`: what to mask, under `arguments` and `results`, as `redaction.masked` takes it.
    """

    effect: Effect = "allow"
    limits: Mapping[str, Limit] = field(default_factory=_frozen)
    obligations: Mapping[str, Any] = field(default_factory=_frozen)
    redactions: Mapping[str, tuple[str, ...]] = field(default_factory=_frozen)
    explanation: tuple[Explained, ...] = ()
    reviewers: ReviewSpec | None = None
    message: str = ""
    reason: str = ""

    def clamp(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """What was asked for, cut down to the limits; a limit that nobody asked about is added."""
        return dict(meet_limits(requested, self.limits))

    def as_json(self) -> dict[str, Any]:
        return {
            "effect": self.effect,
            "limits": _lists(self.limits),
            "obligations": dict(self.obligations),
            "redactions": _lists(self.redactions),
            "explanation": [line.as_json() for line in self.explanation],
            "reviewers": self.reviewers and self.reviewers.as_json(),
            "message": self.message,
            "reason": self.reason,
        }


def _lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def meet_effects(left: Effect, right: Effect) -> Effect:
    """The stricter of the two."""
    return left if STRICTNESS[left] >= STRICTNESS[right] else right


def meet_limits(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Limit]:
    """For each limit the smaller one, for packages what both let in, for words the strictest."""
    met: dict[str, Limit] = dict(left)
    for name, value in right.items():
        met[name] = _smaller(name, met[name], value) if name in met else value
    return met


def _smaller(name: str, left: Any, right: Any) -> Limit:
    if name == "packages":
        return packages.intersection(left, right)
    if name == "calls_per_period":
        # Each is a bucket of its own, and a call needs room in all of them.
        return tuple(sorted({*left, *right}))
    if name in STRICTEST:
        return STRICTEST[name] if STRICTEST[name] in (left, right) else str(left)
    smaller: int | float = min(left, right)
    return smaller


def meet_obligations(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """The union; where both say something about the same thing, the stricter of the two."""
    met = dict(left)
    for name, value in right.items():
        met[name] = _stricter(name, met[name], value) if name in met else value
    return met


def _stricter(name: str, left: Any, right: Any) -> Any:
    if name == "payloads":
        return max(left, right, key=PAYLOADS.index)
    if name == "expire":
        return min(left, right, key=lambda one: one["after"])
    if isinstance(left, list):
        return sorted({*left, *right})
    return left or right


def meet_redactions(
    left: Mapping[str, tuple[str, ...]], right: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The union of what is masked."""
    names = {*left, *right}
    return {name: tuple(sorted({*left.get(name, ()), *right.get(name, ())})) for name in names}
