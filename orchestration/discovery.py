"""Which tools may this agent call now? Judged by the policies' own code, for all tools at once.

What can't be known before a call are its arguments. So the rules whose conditions read them are set
aside: without them the verdict is certain, and with them a tool that is otherwise callable is
`conditional`, and they are told. Money and rates aren't asked: they are held when a call is made.

Policies see little of a tool (`registry.discovery.documents`), and thousands of tools are alike in
it: each kind of tool is judged once, and by itself only what a policy calls by its name.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from django.db.models import Q, QuerySet
from kernel import clock, money

from governance import grants, judging, policies
from governance.facts import Facts
from governance.rulesets import Policy, Rule, RuleSet
from registry.models import Agent, Tool, ToolEntry
from registry.models.agents import Environment

YES, APPROVAL, CONDITIONAL, NO = "yes", "needs_approval", "conditional", "no"
STATES = (YES, APPROVAL, CONDITIONAL, NO)

TOLD = 5
_TIGHTENING = frozenset({"deny", "require_approval"})
# `tool` other than by one of the members that tools of a kind share.
_SHARED = "permissions_required|tags|owner|executor|cost|data_class|idempotent"
_OF_A_KIND = re.compile(rf"\btool\s*\.\s*(?:{_SHARED})\b")
_TOOL = re.compile(r"\btool\b")


@dataclass(frozen=True)
class Answer:
    """Whether a tool may be called: one of STATES, the reason of a no (one of `calls.REASONS`), and
    why it isn't simply yes, for people."""

    state: str
    reason: str = ""
    why: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"state": self.state, "why": list(self.why)}
        return told | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True)
class Rules:
    """The rules in force, with those apart whose conditions read a call's arguments. `named` are
    the tools that a policy selects by name; `by_name` says that a condition asks which tool it is,
    so that no two tools are of a kind."""

    known: RuleSet
    open: RuleSet
    named: frozenset[str]
    by_name: bool

    @classmethod
    def of(cls, rules: RuleSet) -> "Rules":
        """Cached: the set is the same object until a policy changes."""
        return _parted(rules)


@lru_cache(maxsize=4)
def _parted(rules: RuleSet) -> Rules:
    names = [policy.selector.tools.get("name", frozenset()) for policy in rules.policies]
    every = [rule for policy in rules.policies for rule in policy.rules]
    return Rules(
        known=RuleSet(_with(policy, open=False) for policy in rules.policies),
        open=RuleSet(_with(policy, open=True) for policy in rules.policies if not policy.shadow),
        named=frozenset().union(*names),
        by_name=any(_asks_which(rule) for rule in every),
    )


def _with(policy: Policy, *, open: bool) -> Policy:
    kept = [rule for rule in policy.rules if _is_open(rule) == open]
    return replace(policy, rules=tuple(kept))


def _is_open(rule: Rule) -> bool:
    return rule.when is not None and "arguments" in rule.when.names


def _asks_which(rule: Rule) -> bool:
    if rule.when is None or "tool" not in rule.when.names:
        return False
    return bool(_TOOL.search(_OF_A_KIND.sub("", rule.when.source)))


@dataclass(frozen=True)
class Asker:
    """An agent that asks in an environment at a moment, and what it holds then."""

    agent: Agent
    environment: str
    at: datetime
    permissions: tuple[str, ...]

    @classmethod
    def of(cls, agent: Agent, environment: str = "") -> "Asker":
        at = clock.now()
        held = tuple(sorted(grants.live(agent.id, at)))
        return cls(agent, environment or agent.environment, at, held)

    @cached_property
    def objection(self) -> Answer | None:
        """Why it may call nothing at all."""
        agent = self.agent
        if not agent.is_active:
            told = f"Agent {agent.name} is suspended. Ask its team, {agent.team.name}."
            return Answer(NO, "suspended", (told,))
        if self.environment == Environment.PRODUCTION != agent.environment:
            told = f"Agent {agent.name} works in {agent.environment}, not in production."
            return Answer(NO, "denied_by_policy", (told,))
        return None

    def facts(self, name: str, version: str, kind: Mapping[str, Any]) -> Facts:
        """A call of the tool, as policies see it, without arguments."""
        agent = self.agent
        return Facts(
            agent={
                "id": str(agent.id),
                "name": agent.name,
                "team": agent.team.name,
                "environment": agent.environment,
                "tags": agent.tags,
                "permissions": self.permissions,
            },
            tool={
                "name": name,
                "version": version,
                "permissions_required": kind["permissions_required"],
                "tags": kind["tags"],
                "owner": kind["owner"],
                "executor": kind["executor"],
                "cost": float(money.text(kind["cost_micros"])),
                "data_class": kind["data_class"],
                "idempotent": kind["idempotent"],
            },
            arguments={},
            environment=self.environment,
            at=self.at,
        )


def answer(asker: Asker, tool: Tool) -> Answer:
    """Whether this one tool may be called now, and why not."""
    if asker.objection is not None:
        return asker.objection
    if tool.quarantined_at is not None:
        why = tool.quarantine_reason or "What it does has changed since it was approved."
        return Answer(NO, "quarantined", (why,))
    if tool.sunset_at is not None and tool.sunset_at <= asker.at:
        return Answer(NO, "tool_sunset", ("It isn't offered any more.",))
    entry: ToolEntry | None = ToolEntry.objects.filter(tool=tool).first()
    if entry is None or tool.live_version is None:
        return Answer(NO, "unknown_tool", ("It isn't published.",))
    rules = Rules.of(policies.enforced())
    return judged(asker, tool.name, tool.live_version.version, entry.facts, rules)


def judged(asker: Asker, name: str, version: str, kind: Mapping[str, Any], rules: Rules) -> Answer:
    """What the contract and the policies say, whatever the arguments may be."""
    found = _objection_of(kind, asker, name)
    if found is not None:
        return found
    facts = asker.facts(name, version, kind)
    verdict = judging.judge(facts, rules.known)
    if verdict.effect == "deny":
        return Answer(NO, verdict.reason, (verdict.message,))
    depends = tuple(_depends(rules.open, facts))
    if verdict.effect == "require_approval":
        return Answer(APPROVAL, why=(verdict.message, *depends)[:TOLD])
    return Answer(CONDITIONAL, why=depends[:TOLD]) if depends else Answer(YES)


def _objection_of(kind: Mapping[str, Any], asker: Asker, name: str) -> Answer | None:
    sunset = kind.get("sunset_at")
    if sunset and datetime.fromisoformat(sunset) <= asker.at:
        return Answer(NO, "tool_sunset", ("It isn't offered any more.",))
    offered = kind["environments"]
    if offered and asker.environment not in offered:
        told = f"It is offered in {' and '.join(offered)} only."
        return Answer(NO, "denied_by_policy", (told,))
    return None


def _depends(rules: RuleSet, facts: Facts) -> Iterable[str]:
    for policy in rules.matching(facts):
        for rule in policy.rules:
            if rule.kind in _TIGHTENING and rule.when is not None:
                verb = "refuses it" if rule.kind == "deny" else "asks for an approval"
                yield (
                    f"Policy {policy.name} {policy.version} {verb} when "
                    f"`{rule.when.source}`: {rule.message}."
                )


def answers(asker: Asker, rows: QuerySet[Tool]) -> dict[int, str]:
    """The state of every one of these tools, by its entry's id.

    1. an agent that may call nothing may call none of them;
    2. what is quarantined or past its sunset is a no, in the database's own words;
    3. the others by their kind, each kind judged once; 4. what policies name, one by one.
    """
    pairs = list(rows.order_by().values_list("entry__id", "entry__facts_checksum"))
    states = dict.fromkeys((id for id, kind in pairs if kind), NO)
    if asker.objection is not None:
        return states
    rules = Rules.of(policies.enforced())
    offered = _offered(rows, asker.at)
    candidates = [(id, kind) for id, kind in pairs if id in offered]
    kinds = _kinds({kind for _, kind in candidates})
    if rules.by_name:
        singled = offered
    else:
        verdicts = {key: judged(asker, "", "", kind, rules) for key, kind in kinds.items()}
        states |= {id: verdicts[kind].state for id, kind in candidates}
        singled = _named(rows, rules.named) & offered
    return states | _singly(asker, singled, kinds, rules)


def _offered(rows: QuerySet[Tool], at: datetime) -> set[int]:
    open_ = rows.filter(quarantined_at__isnull=True, entry__isnull=False)
    open_ = open_.filter(Q(sunset_at__isnull=True) | Q(sunset_at__gt=at))
    return set(open_.order_by().values_list("entry__id", flat=True))


def _named(rows: QuerySet[Tool], names: frozenset[str]) -> set[int]:
    if not names:
        return set()
    found = rows.filter(name__in=names, entry__isnull=False)
    return set(found.order_by().values_list("entry__id", flat=True))


def _singly(
    asker: Asker, ids: set[int], kinds: Mapping[str, Mapping[str, Any]], rules: Rules
) -> dict[int, str]:
    names = ("id", "tool__name", "tool__live_version__version", "facts_checksum")
    # Few as a rule; where conditions ask which tool it is, all of them.
    entries = ToolEntry.objects.all() if len(ids) > 500 else ToolEntry.objects.filter(id__in=ids)
    return {
        id: judged(asker, name, version, kinds[kind], rules).state
        for id, name, version, kind in entries.values_list(*names)
        if id in ids and kind in kinds
    }


_known_kinds: dict[str, Mapping[str, Any]] = {}
MOST_KINDS = 20_000


def _kinds(checksums: set[str]) -> dict[str, Mapping[str, Any]]:
    """What policies see of tools, by its checksum: read once, because it says all of it."""
    missing = [each for each in checksums if each not in _known_kinds]
    if len(_known_kinds) + len(missing) > MOST_KINDS:
        _known_kinds.clear()
        missing = list(checksums)
    for start in range(0, len(missing), 500):
        rows = ToolEntry.objects.filter(facts_checksum__in=missing[start : start + 500])
        for checksum, facts in rows.values_list("facts_checksum", "facts"):
            _known_kinds.setdefault(checksum, facts)
    return {each: _known_kinds[each] for each in checksums if each in _known_kinds}
