"""A set of policies, compiled once and indexed by what its selectors ask for."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from kernel import canonical, expressions

from governance import documents, units
from governance.facts import Facts
from governance.verdicts import Limit, ReviewSpec

DEFAULT_REVIEWERS: Mapping[str, Any] = MappingProxyType({"role": "reviewer"})

SIDES = ("arguments", "results")
"""What of a call is masked."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Rule:
    """One compiled rule: a condition, and what it adds to a verdict where the condition holds."""

    name: str
    kind: str
    message: str
    when: expressions.Expression | None = None
    reviewers: ReviewSpec | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    obligations: Mapping[str, Any] = field(default_factory=dict)
    redactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Selector:
    """Which calls: each key's values, any of which is enough; every key must match."""

    agents: Mapping[str, frozenset[str]]
    tools: Mapping[str, frozenset[str]]

    def matches(self, facts: Facts) -> bool:
        return all(
            not values.isdisjoint(_of_agent(facts, key)) for key, values in self.agents.items()
        ) and all(not values.isdisjoint(_of_tool(facts, key)) for key, values in self.tools.items())

    @property
    def index(self) -> tuple[Key, ...]:
        """The keys to file under: the narrowest question that the selector asks."""
        for side, asked, order in (
            ("tool", self.tools, ("name", "permission", "tag")),
            ("agent", self.agents, ("name", "permission", "tag", "team", "environment")),
        ):
            for key in order:
                if key in asked:
                    return tuple((f"{side}.{key}", value) for value in sorted(asked[key]))
        return ()


def _of_agent(facts: Facts, key: str) -> frozenset[str]:
    if key == "permission":
        return facts.permissions
    if key == "environment":
        # The call's environment: an agent in production may call into staging.
        return frozenset({facts.environment})
    if key == "tag":
        return frozenset(facts.agent.get("tags", ()))
    return frozenset({facts.agent[key]})


def _of_tool(facts: Facts, key: str) -> frozenset[str]:
    if key == "permission":
        return facts.required
    if key == "tag":
        return frozenset(facts.tool.get("tags", ()))
    return frozenset({facts.tool[key]})


@dataclass(frozen=True)
class Policy:
    """One policy version, compiled. A team's policy applies to that team's agents only."""

    name: str
    version: str
    selector: Selector
    rules: tuple[Rule, ...]
    team: str | None = None
    shadow: bool = False

    def matches(self, facts: Facts) -> bool:
        if self.team is not None and facts.agent["team"] != self.team:
            return False
        return self.selector.matches(facts)


@dataclass(frozen=True)
class Source:
    """A policy as it is kept: what is compiled. `document` is a valid policy document."""

    name: str
    version: str
    document: Mapping[str, Any]
    team: str | None = None
    shadow: bool = False


class RuleSet:
    """Policies by the keys of their selectors, so that a call meets only those that may match."""

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self.policies = tuple(sorted(policies, key=lambda policy: (policy.name, policy.version)))
        self._by_key: dict[Key, list[Policy]] = defaultdict(list)
        self._anywhere: list[Policy] = []
        for policy in self.policies:
            keys = policy.selector.index
            for key in keys:
                self._by_key[key].append(policy)
            if not keys:
                self._anywhere.append(policy)

    def __len__(self) -> int:
        """How many rules there are."""
        return sum(len(policy.rules) for policy in self.policies)

    def matching(self, facts: Facts) -> list[Policy]:
        """The policies whose selector matches, by name."""
        found = {id(policy): policy for policy in self._candidates(facts) if policy.matches(facts)}
        return sorted(found.values(), key=lambda policy: (policy.name, policy.version))

    def _candidates(self, facts: Facts) -> Iterator[Policy]:
        yield from self._anywhere
        for key in _keys(facts):
            yield from self._by_key.get(key, ())


def _keys(facts: Facts) -> Iterator[Key]:
    for key in ("name", "permission", "tag"):
        yield from ((f"tool.{key}", value) for value in _of_tool(facts, key))
    for key in ("name", "permission", "tag", "team", "environment"):
        yield from ((f"agent.{key}", value) for value in _of_agent(facts, key))


def compiled(sources: Iterable[Source]) -> RuleSet:
    """The rule set of these policies. Documents that were compiled before aren't compiled again."""
    return RuleSet(_policy(source) for source in sources)


def _policy(source: Source) -> Policy:
    selector, rules = _parts(canonical.encode(source.document).decode(), source.name)
    return Policy(source.name, source.version, selector, rules, source.team, source.shadow)


@lru_cache(maxsize=4096)
def _parts(text: str, name: str) -> tuple[Selector, tuple[Rule, ...]]:
    document = json.loads(text)
    documents.require_valid(document, name=name)
    applies_to = document.get("applies_to", {})
    selector = Selector(_values(applies_to.get("agents", {})), _values(applies_to.get("tools", {})))
    rules = tuple(_rule(name, index, rule) for index, rule in enumerate(document["rules"], start=1))
    return selector, rules


def _values(side: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {
        key: frozenset([value] if isinstance(value, str) else value) for key, value in side.items()
    }


def _rule(policy: str, position: int, rule: Mapping[str, Any]) -> Rule:
    kind = documents.kind_of(rule)
    name = rule.get("name") or f"rule_{position}"
    when = rule.get("when")
    body = rule[kind]
    return Rule(
        name=name,
        kind=kind,
        message=rule.get("message") or name.replace("_", " "),
        when=expressions.compile(when) if when else None,
        reviewers=_reviewers(body) if kind == "require_approval" else None,
        limits=_limits(f"{policy}/{name}", body) if kind == "limit" else {},
        obligations=_obligations(kind, body),
        redactions=_redactions(body) if kind == "redact" else {},
    )


def _limits(source: str, body: Mapping[str, Any]) -> dict[str, Limit]:
    """The limits in their units. Rates bear their rule's name: each rule counts for itself."""
    limits = {key: units.limit(key, value) for key, value in body.items()}
    rates = limits.get("calls_per_period")
    if isinstance(rates, tuple):
        limits["calls_per_period"] = tuple(f"{source} {rate}" for rate in rates)
    return limits


def _redactions(body: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What a rule masks, as the specs that `redaction.masked` takes."""
    anywhere = [f"pattern:{name}" for name in body.get("patterns", ())]
    anywhere += [f"regex:{name}={each}" for name, each in body.get("expressions", {}).items()]
    specs = {
        side: (*body.get(side, ()), *(anywhere if side in body.get("in", SIDES) else ()))
        for side in SIDES
    }
    return {side: tuple(sorted(set(each))) for side, each in specs.items() if each}


def _reviewers(body: Mapping[str, Any]) -> ReviewSpec:
    return ReviewSpec(
        reviewers=body.get("reviewers") or dict(DEFAULT_REVIEWERS),
        quorum=body.get("quorum", 1),
        deadline=units.seconds(body["deadline"]) if "deadline" in body else None,
    )


def _obligations(kind: str, body: Any) -> dict[str, Any]:
    if kind == "expire":
        return {"expire": {"after": units.seconds(body["after"]), "what": body["what"]}}
    if kind != "audit":
        return {}
    kept: dict[str, Any] = {"audit": True}
    if "trail" in body:
        kept["trail"] = True
    if "arguments" in body:
        kept["arguments"] = sorted(body["arguments"])
    if "payloads" in body:
        kept["payloads"] = body["payloads"]
    return kept
