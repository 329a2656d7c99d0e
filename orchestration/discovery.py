"""Which tools may this agent call now? Judged by the policies' own code, for all tools at once.

What can't be known before a call are its arguments. So the rules whose conditions read them are set
aside: without them the verdict is certain, and with them a tool that is otherwise callable is
`conditional`, and they are told. Money and rates aren't asked: they are held when a call is made.

Policies ask little of a tool, and thousands of tools are alike in it: what is alike is judged once,
and by itself only what a policy calls by its name.
"""

import re
import threading
from collections import OrderedDict
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
from registry.discovery import freshness
from registry.discovery.freshness import State
from registry.models import Agent, Tool, ToolEntry
from registry.models.agents import Environment

YES, APPROVAL, CONDITIONAL, NO = "yes", "needs_approval", "conditional", "no"
STATES = (YES, APPROVAL, CONDITIONAL, NO)

TOLD = 5
_TIGHTENING = frozenset({"deny", "require_approval"})
# The members of `tool` that tools of a kind share; any other one asks which tool it is.
_SHARED = frozenset("permissions_required tags owner executor cost data_class idempotent".split())
_KEPT_AS = {"cost": "cost_micros"}
_MEMBER = re.compile(r"\btool\s*\.\s*([A-Za-z_]\w*)")
_BARE = re.compile(r"\btool\b(?!\s*\.\s*[A-Za-z_])")
WHICH = "which"


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
        self._alike: dict[str, Any] = {}

    @classmethod
    def of(cls, rules: RuleSet) -> "Rules":
        """Cached: the set is the same object until a policy changes."""
        return _parted(rules)

    def is_named(self, name: str) -> bool:
        """Whether a policy may treat this tool otherwise than others of its kind."""
        return name in self.named or WHICH in self.members

    def likeness(self, checksum: str) -> Any:
        """What these rules can see of a tool of this kind."""
        found = self._alike.get(checksum)
        if found is None:
            kind = kind_of(checksum)
            tags = kind["tags"]
            seen = tuple((name, str(kind.get(_KEPT_AS.get(name, name)))) for name in self.members)
            found = self._alike[checksum] = (
                tuple(kind["permissions_required"]),
                tuple(kind["environments"]),
                kind.get("sunset_at"),
                frozenset(tag for tag in tags if tag in self.tags),
                seen,
            )
        return found


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
    """The state of these tools by their entries' ids; one that isn't there is a no.

    1. an agent that may call nothing may call none of them;
    2. what is quarantined or past its sunset isn't asked for;
    3. the others by what the policies in force ask of a tool: all that are alike in it at once.
    """
    if asker.objection is not None:
        return {}
    rules = Rules.of(policies.enforced())
    kept = _verdicts(asker, rules)
    entries = _known_entries()
    found: dict[int, str] = {}
    for id in _offered(rows, asker.at):
        entry = entries.get(id)
        if entry is None:
            continue
        name, version, checksum = entry
        key: Any = (rules.likeness(checksum), name if rules.is_named(name) else "")
        state = kept.get(key)
        if state is None:
            kept[key] = state = judged(asker, name, version, kind_of(checksum), rules).state
        found[id] = state
    return found


def _offered(rows: QuerySet[Tool], at: datetime) -> QuerySet[Any, int]:
    offered = rows.filter(quarantined_at__isnull=True, entry__isnull=False)
    offered = offered.filter(Q(sunset_at__isnull=True) | Q(sunset_at__gt=at))
    return offered.order_by().values_list("entry__id", flat=True)


_entries: tuple[State, dict[int, tuple[str, str, str]]] = (("", 0, 0), {})


def _known_entries() -> dict[int, tuple[str, str, str]]:
    """Name, live version and kind of every entry, read again when `freshness` says so: what another
    process publishes is judged by its new contract within a second, and what is hidden meanwhile
    isn't shown, because `rows` are read each time."""
    global _entries
    state = freshness.state()
    if _entries[0] != state:
        names = ("id", "tool__name", "tool__live_version__version", "facts_checksum")
        found = {id: (n, v, kind) for id, n, v, kind in ToolEntry.objects.values_list(*names)}
        _entries = state, found
        _read_kinds({checksum for *_, checksum in found.values()})
    return _entries[1]


# What was judged of an agent with these grants under these rules. Nothing that a condition reads is
# left out of the key, except for the time: rules that read it are judged anew each time.
_judged: OrderedDict[Any, dict[Any, str]] = OrderedDict()
MOST_JUDGED = 64
_judging = threading.Lock()


def _verdicts(asker: Asker, rules: Rules) -> dict[Any, str]:
    if rules.by_time:
        return {}
    agent = asker.agent
    seen = (agent.id, agent.name, agent.team_id, agent.environment, tuple(map(str, agent.tags)))
    key = (rules, seen, asker.environment, asker.permissions)
    with _judging:
        kept = _judged.setdefault(key, {})
        _judged.move_to_end(key)
        while len(_judged) > MOST_JUDGED:
            _judged.popitem(last=False)
    return kept


_known_kinds: dict[str, Mapping[str, Any]] = {}
MOST_KINDS = 50_000


def kind_of(checksum: str) -> Mapping[str, Any]:
    """What policies see of a tool, by its checksum (`ToolEntry.facts_checksum`)."""
    return _known_kinds[checksum]


def _read_kinds(checksums: set[str]) -> None:
    """Have all of these at hand: read once, because the checksum says all of it."""
    missing = [each for each in checksums if each not in _known_kinds]
    if len(_known_kinds) + len(missing) > MOST_KINDS:
        _known_kinds.clear()
        missing = list(checksums)
    for start in range(0, len(missing), 500):
        rows = ToolEntry.objects.filter(facts_checksum__in=missing[start : start + 500])
        for checksum, facts in rows.values_list("facts_checksum", "facts"):
            _known_kinds.setdefault(checksum, facts)
