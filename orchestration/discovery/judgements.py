"""What the contract and the policies say of a tool, and then what rates and budgets have left."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from governance import judging, rates
from governance.facts import Facts
from governance.rates import Party
from orchestration.discovery.asking import Asker
from orchestration.discovery.rules import Rules

YES, APPROVAL, CONDITIONAL, NO = "yes", "needs_approval", "conditional", "no"
STATES = (YES, APPROVAL, CONDITIONAL, NO)

TOLD = 5
_TIGHTENING = frozenset({"deny", "require_approval"})
_RATES = "calls_per_period"


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
class Judgement:
    """What policies answer whatever the arguments may be; the rates that they count a call in, and
    those that they may; `asks`: with some arguments they ask for an approval, before anything is
    counted or held."""

    answer: Answer
    rates: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    asks: bool = False


def judged(asker: Asker, name: str, version: str, kind: Mapping[str, Any]) -> Judgement:
    """What the contract and the policies say, whatever the arguments may be."""
    offered = kind["environments"]
    if offered and asker.environment not in offered:
        told = f"It is offered in {' and '.join(offered)} only."
        return Judgement(Answer(NO, "denied_by_policy", (told,)))
    facts = asker.facts(name, version, kind)
    verdict = judging.judge(facts, asker.rules.known)
    if verdict.effect == "deny":
        return Judgement(Answer(NO, verdict.reason or "denied_by_policy", (verdict.message,)))
    depends = tuple(_depends(asker.rules, facts))
    why = tuple(each.told for each in depends if each.told)
    if verdict.effect == "require_approval":
        return Judgement(Answer(APPROVAL, why=(verdict.message, *why)[:TOLD]))
    answer = Answer(CONDITIONAL, why=why[:TOLD]) if why else Answer(YES)
    counted = verdict.limits.get(_RATES, ())
    return Judgement(
        answer,
        rates=counted if isinstance(counted, tuple) else (),
        perhaps=tuple(rate for each in depends for rate in each.rates),
        asks=any(each.asks for each in depends),
    )


@dataclass(frozen=True)
class _Depending:
    """What a rule adds whose condition reads the arguments."""

    told: str = ""
    asks: bool = False
    rates: tuple[str, ...] = ()


def _depends(rules: Rules, facts: Facts) -> Iterator[_Depending]:
    for policy in rules.open.matching(facts):
        for rule in policy.rules:
            if rule.kind in _TIGHTENING and rule.when is not None:
                verb = "refuses it" if rule.kind == "deny" else "asks for an approval"
                told = (
                    f"Policy {policy.name} {policy.version} {verb} when "
                    f"`{rule.when.source}`: {rule.message}."
                )
                yield _Depending(told, asks=rule.kind == "require_approval")
            counted = rule.limits.get(_RATES)
            if isinstance(counted, tuple):
                yield _Depending(rates=counted)


def met(asker: Asker, judgement: Judgement, name: str, kind: Mapping[str, Any]) -> Answer:
    """The judgement, with what rates and budgets have left for one more call of this tool."""
    answer = judgement.answer
    if answer.state not in (YES, CONDITIONAL):
        # An approval is asked for first; what is held is held when it is given.
        return answer
    party = asker.party(name)
    counted = [
        *rates.of_tool(kind.get("rate_limit", {}), party),
        *rates.of_policy(judgement.rates, party),
    ]
    no = asker.used.refusal(counted) or asker.rooms.refusal(kind["cost_micros"])
    if no is None:
        return _perhaps(asker, judgement, party)
    if judgement.asks:
        return Answer(CONDITIONAL, why=(no.detail, *answer.why)[:TOLD])
    return Answer(NO, no.reason, (no.detail,))


def _perhaps(asker: Asker, judgement: Judgement, party: Party) -> Answer:
    """Rates that count calls with some arguments only may be used up for these."""
    no = asker.used.refusal(rates.of_policy(judgement.perhaps, party))
    if no is None:
        return judgement.answer
    why = (f"With some arguments: {no.detail}", *judgement.answer.why)
    return Answer(CONDITIONAL, why=why[:TOLD])


@dataclass
class Kept:
    """What was judged of an agent with these grants under these rules, by the tools' likeness; and
    what that comes to for every entry of the index in one of its states."""

    by_likeness: dict[Any, Judgement] = field(default_factory=dict)
    whole: Any = None


# Nothing that a condition reads is left out of the key. Rules that read the time are judged anew
# each second.
_kept: OrderedDict[Any, Kept] = OrderedDict()
MOST_KEPT = 64
_keeping = threading.Lock()


def kept_for(asker: Asker) -> Kept:
    rules = asker.rules
    key = (rules, asker.seen, int(asker.at.timestamp()) if rules.by_time else 0)
    with _keeping:
        kept = _kept.setdefault(key, Kept())
        _kept.move_to_end(key)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return kept


def judged_once(
    asker: Asker, name: str, version: str, kind: Mapping[str, Any], kept: Kept
) -> Judgement:
    """The judgement of every tool that is like this one."""
    rules = asker.rules
    key = (rules.likeness(kind), (name, version) if rules.is_named(name) else "")
    found = kept.by_likeness.get(key)
    if found is None:
        found = kept.by_likeness[key] = judged(asker, name, version, kind)
    return found
