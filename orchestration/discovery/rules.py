"""What the policies in force ask of a tool, and which of their rules read a call's arguments."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from governance.rulesets import Policy, Rule, RuleSet

# The members of `tool` that tools of a kind share; any other one asks which tool it is.
_SHARED = frozenset("permissions_required tags owner executor cost data_class idempotent".split())
_KEPT_AS = {"cost": "cost_micros"}
_MEMBER = re.compile(r"\btool\s*\.\s*([A-Za-z_]\w*)")
_BARE = re.compile(r"\btool\b(?!\s*\.\s*[A-Za-z_])")
WHICH = "which"


class Rules:
    """The rules in force, those apart whose conditions read a call's arguments, and what of a tool
    they ask at all: tools that are alike in that are judged alike."""

    def __init__(self, rules: RuleSet) -> None:
        self.known = RuleSet(_with(policy, open=False) for policy in rules.policies)
        in_force = [policy for policy in rules.policies if not policy.shadow]
        self.open = RuleSet(_with(policy, open=True) for policy in in_force)
        every = [rule for policy in rules.policies for rule in policy.rules]
        selected = [policy.selector.tools for policy in rules.policies]
        self.named = frozenset().union(*(each.get("name", frozenset()) for each in selected))
        self.tags = frozenset().union(*(each.get("tag", frozenset()) for each in selected))
        self.by_time = any(rule.when and "now" in rule.when.names for rule in every)
        self.members = frozenset().union(*map(_members, every))

    @classmethod
    def of(cls, rules: RuleSet) -> "Rules":
        """Cached: the set is the same object until a policy changes."""
        return _parted(rules)

    def is_named(self, name: str) -> bool:
        """Whether a policy may treat this tool otherwise than others of its kind."""
        return name in self.named or WHICH in self.members

    def likeness(self, kind: Mapping[str, Any]) -> Any:
        """What these rules, and the contract's own, see of a tool of this kind."""
        seen = tuple((name, str(kind.get(_KEPT_AS.get(name, name)))) for name in self.members)
        return (
            tuple(kind["permissions_required"]),
            tuple(kind["environments"]),
            frozenset(tag for tag in kind["tags"] if tag in self.tags),
            seen,
        )


@lru_cache(maxsize=4)
def _parted(rules: RuleSet) -> Rules:
    return Rules(rules)


def _members(rule: Rule) -> frozenset[str]:
    """The members of `tool` that the condition reads; WHICH where it may read any of them."""
    if rule.when is None or "tool" not in rule.when.names:
        return frozenset()
    source = rule.when.source
    found = frozenset(_MEMBER.findall(source))
    return found if found <= _SHARED and not _BARE.search(source) else frozenset({WHICH})


def _with(policy: Policy, *, open: bool) -> Policy:
    kept = [rule for rule in policy.rules if _is_open(rule) == open]
    return replace(policy, rules=tuple(kept))


def _is_open(rule: Rule) -> bool:
    return rule.when is not None and "arguments" in rule.when.names
