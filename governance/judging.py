"""Judging one call: the meet of all rules that match. Pure: values in, a value out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from kernel import expressions

from governance import verdicts
from governance.facts import Facts
from governance.rulesets import Policy, Rule, RuleSet
from governance.verdicts import Effect, Explained, ReviewSpec, Verdict

EFFECTS: dict[str, Effect] = {"deny": "deny", "require_approval": "require_approval"}

# What a comprehension costs grows with what it walks over, and that is the caller's to choose.
LARGEST = {0: 0, 1: 2_000, 2: 100}
_COMPREHENSION = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")


def judge(facts: Facts, rules: RuleSet) -> Verdict:
    """What the rules say about the call.

    1. the required permissions that no live grant covers deny it;
    2. every rule of every matching policy whose condition holds, or can't be judged, is taken;
    3. the verdict is their meet: the strictest effect, the smallest limits, all obligations. An
       approval satisfies what it was asked for, and nothing stricter;
    4. rules in shadow are told and not applied.
    """
    case = _Case(facts)
    taken = tuple(_taken(case, rules))
    applied = [each for each in taken if not each.policy.shadow]
    missing = sorted(facts.required - facts.permissions)
    asked = _asked(applied)
    return Verdict(
        effect=_effect(facts, applied, missing, asked),
        limits=_met(applied, "limits", verdicts.meet_limits),
        obligations=_met(applied, "obligations", verdicts.meet_obligations),
        redactions=_met(applied, "redactions", verdicts.meet_redactions),
        explanation=(*_told_missing(missing), *(each.explained for each in taken)),
        reviewers=asked,
        **_answer(facts, applied, missing, asked),
    )


def masks(facts: Facts, rules: RuleSet) -> MappingProxyType[str, Any]:
    """What the policies might mask of a call that can't be judged, because its arguments don't fit
    or it may not be asked: every redaction that could hold, whatever its condition."""
    met: dict[str, tuple[str, ...]] = {}
    for policy in rules.matching(facts):
        for rule in policy.rules if not policy.shadow else ():
            met = verdicts.meet_redactions(met, rule.redactions)
    return MappingProxyType(met)


@dataclass(frozen=True)
class _Taken:
    """A rule that holds for the call; `failed` says why its condition couldn't be judged."""

    policy: Policy
    rule: Rule
    failed: str = ""

    @property
    def explained(self) -> Explained:
        return Explained(
            policy=self.policy.name,
            version=self.policy.version,
            rule=self.rule.name,
            effect=self.rule.kind,
            message=self.rule.message,
            shadow=self.policy.shadow,
            failed=self.failed,
        )


class _Case:
    """The facts, with the conditions' variables built at most once, and only when one is read."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @cached_property
    def variables(self) -> expressions.Variables:
        return self.facts.variables()

    @cached_property
    def largest(self) -> int:
        return _largest(self.facts.arguments)

    def holds(self, when: expressions.Expression) -> tuple[bool, str]:
        """Whether the condition holds. One that fails counts as holding, with the reason: a rule
        that can't be judged must not open the gate."""
        nested = min(len(_COMPREHENSION.findall(when.source)), 2)
        if nested and self.largest > LARGEST[nested]:
            told = f"the arguments hold {self.largest} items; at most {LARGEST[nested]} are judged"
            return True, told
        try:
            value = when.evaluate(self.variables)
        except expressions.ExpressionError as error:
            return True, str(error)[:500]
        if not isinstance(value, bool):
            return True, f"`{when.source}` is neither true nor false but {type(value).__name__}"
        return value, ""


def _largest(value: Any) -> int:
    if isinstance(value, dict | MappingProxyType):
        return max([len(value), *map(_largest, value.values())])
    if isinstance(value, list | tuple):
        return max([len(value), *map(_largest, value)])
    return 0


def _taken(case: _Case, rules: RuleSet) -> Iterator[_Taken]:
    for policy in rules.matching(case.facts):
        for rule in policy.rules:
            holds, failed = (True, "") if rule.when is None else case.holds(rule.when)
            if holds:
                yield _Taken(policy, rule, failed)


def _asked(applied: list[_Taken]) -> ReviewSpec | None:
    met: ReviewSpec | None = None
    for each in applied:
        spec = each.rule.reviewers
        if spec is not None:
            met = spec if met is None else met.meet(spec)
    return met


def _met(applied: list[_Taken], part: str, meet: Any) -> MappingProxyType[str, Any]:
    met: dict[str, Any] = {}
    for each in applied:
        met = meet(met, getattr(each.rule, part))
    return MappingProxyType(met)


def _effect(
    facts: Facts, applied: list[_Taken], missing: list[str], asked: ReviewSpec | None
) -> Effect:
    effect: Effect = "deny" if missing else "allow"
    for each in applied:
        effect = verdicts.meet_effects(effect, EFFECTS.get(each.rule.kind, "allow"))
    if effect == "require_approval" and asked is not None and _covered(facts, asked):
        return "allow"
    return effect


def _covered(facts: Facts, asked: ReviewSpec) -> bool:
    """Whether the approval was given by everybody whom the rules ask for now."""
    if facts.approval is None:
        return False
    given = facts.approval.get("asked")
    if given is None:
        return True
    had = verdicts.groups_of(given["reviewers"], given["quorum"])
    return all(any(_as_strict(one, group) for one in had) for group in asked.groups)


def _as_strict(given: dict[str, Any], asked: dict[str, Any]) -> bool:
    same = {**given, "quorum": 0} == {**asked, "quorum": 0}
    return same and int(given.get("quorum", 1)) >= int(asked.get("quorum", 1))


def _told_missing(missing: list[str]) -> Iterator[Explained]:
    for name in missing:
        yield Explained("", "", "required_permissions", "deny", f"needs permission {name}")


def _answer(
    facts: Facts, applied: list[_Taken], missing: list[str], asked: ReviewSpec | None
) -> dict[str, str]:
    """`message` for people, and `reason` where the answer is no."""
    tool, agent = facts.tool["name"], facts.agent["name"]
    if missing:
        names = ", ".join(f"*{name}*" for name in missing)
        told = (
            f"Agent *{agent}* lacks {names}, which tool *{tool}* requires. "
            "Ask the platform team for a grant."
        )
        return {"message": told, "reason": verdicts.PERMISSION_MISSING}
    for kind, reason in (("deny", verdicts.DENIED_BY_POLICY), ("require_approval", "")):
        found = [each for each in applied if each.rule.kind == kind]
        if found and not (kind == "require_approval" and asked and _covered(facts, asked)):
            return {"message": _sentence(found), "reason": reason}
    return {"message": "", "reason": ""}


def _sentence(found: list[_Taken]) -> str:
    first = found[0]
    verb = "refuses this" if first.rule.kind == "deny" else "asks for an approval"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    failed = f" Its condition couldn't be judged: {first.failed}." if first.failed else ""
    return (
        f"Policy *{first.policy.name}* {first.policy.version} {verb}{more}: "
        f"{first.rule.message}.{failed}"
    )
