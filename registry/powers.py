"""What a contract says beside its schemas, compared part by part: who may call, what it reaches,
what it costs, how it runs. Each rule says which view makes a change what it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

from kernel import money

from registry import contracts, sizes
from registry.models.tools import DataClass

Kind = Literal["breaking", "compatible", "cosmetic"]
_PERIODS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_SIZED = ("memory_limit", "disk_limit", "output_limit")
_COUNTED = ("cpu_limit", "timeout", "processes")
_PARTIES = ("server", "dsn", "database", "repository", "operation")
_HINTS = {
    # The value that promises more care; losing it loses the promise.
    "readOnlyHint": True,
    "destructiveHint": False,
    "idempotentHint": True,
    "openWorldHint": False,
}
_DEFAULTS: dict[str, Any] = contracts.OPTIONAL | {
    "permissions_required": [],
    "sandbox_config": {},
    "executor_config": {},
    "examples": [],
    "tags": [],
    "audit": True,
    "cost_per_call": "0",
    "idempotent": False,
    "data_class": DataClass.INTERNAL.value,
}


@dataclass(frozen=True)
class Said:
    """One difference below a part; `pointer` starts there."""

    pointer: str
    kind: Kind
    message: str
    before: Any = None
    after: Any = None


Rule = Callable[[Any, Any], Iterable[Said]]


def meant(document: Mapping[str, Any], name: str) -> Any:
    """The part, or what its absence means."""
    value = document.get(name, _DEFAULTS.get(name))
    if name == "sandbox_config":
        return contracts.DEFAULT_SANDBOX | dict(value or {})
    if name in ("permissions_required", "environments", "tags"):
        return sorted(value or [])
    if name == "cost_per_call":
        return _cost(value)
    return value


def _cost(value: Any) -> Any:
    try:
        return money.text(money.to_micros(value))
    except money.MoneyError:
        return value


def _permissions(before: Any, after: Any) -> Iterator[Said]:
    if added := sorted(set(after) - set(before)):
        message = f"agents without {', '.join(added)} lose the tool"
        yield Said("", "breaking", message, before, after)
    if gone := sorted(set(before) - set(after)):
        message = f"agents without {', '.join(gone)} may call it now: a guard-rail falls"
        yield Said("", "breaking", message, before, after)


def _price(before: Any, after: Any) -> Iterator[Said]:
    if Decimal(after) > Decimal(before):
        yield Said("", "breaking", "each call is dearer: budgets were made for less", before, after)
    else:
        yield Said("", "compatible", "each call is cheaper", before, after)


def _data_class(before: Any, after: Any) -> Iterator[Said]:
    order = list(DataClass.values)
    if order.index(after) > order.index(before):
        message = "the data is more delicate now: policies may refuse those who called it"
    else:
        message = "the data is called less delicate: guard-rails that name its class let go of it"
    yield Said("", "breaking", message, before, after)


def _sandbox(before: Any, after: Any) -> Iterator[Said]:
    for name in sorted(set(before) | set(after)):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        place = f"/{name}"
        if name in _SIZED or name in _COUNTED:
            yield from _limit(place, one, other, _measure(name, one), _measure(name, other))
        elif name == "network":
            yield from _hosts(place, one, other, _network(one), _network(other))
        elif name == "packages":
            yield from _packages(place, one, other)
        elif name == "fixed_packages":
            gone = set(one or []) - set(other or [])
            kind: Kind = "breaking" if gone else "compatible"
            message = "calls import what isn't there any more" if gone else "more is installed"
            yield Said(place, kind, message, one, other)
        else:
            yield Said(place, "compatible", f"{name} changed", one, other)


def _measure(name: str, value: Any) -> float:
    return float(sizes.parse(value)) if name in _SIZED else float(value)


def _limit(place: str, one: Any, other: Any, least: float, now: float) -> Iterator[Said]:
    if now < least:
        yield Said(place, "breaking", "calls that finished may be stopped now", one, other)
    elif now > least:
        yield Said(place, "compatible", "calls may use more", one, other)


def _network(value: Any) -> set[str]:
    if isinstance(value, str):
        return set() if value == "none" else {value}
    return set(value or [])


def _hosts(place: str, one: Any, other: Any, known: set[str], now: set[str]) -> Iterator[Said]:
    if more := sorted(now - known):
        message = f"it reaches {', '.join(more)} now: more power than those who let it in agreed to"
        yield Said(place, "breaking", message, one, other)
    if less := sorted(known - now):
        message = f"calls that need {', '.join(less)} fail now"
        yield Said(place, "breaking", message, one, other)


def _packages(place: str, one: Any, other: Any) -> Iterator[Said]:
    if gone := sorted(set(one or []) - set(other or [])):
        message = f"calls that ask for {', '.join(gone)} are refused now"
        yield Said(place, "breaking", message, one, other)
    else:
        message = "calls may ask for more packages, as far as policy lets them"
        yield Said(place, "compatible", message, one, other)


def _executor_config(before: Any, after: Any) -> Iterator[Said]:
    known, now = _reached(before), _reached(after)
    if more := sorted(now - known):
        message = f"the arguments go to {', '.join(more)} now, which nobody agreed to"
        yield Said("", "breaking", message, sorted(known), sorted(now))
    for name in _PARTIES:
        one, other = before.get(name), after.get(name)
        if one != other:
            message = f"another {name} gets the arguments: it was let in for the old one"
            yield Said(f"/{name}", "breaking", message, one, other)
    said = {*_PARTIES, "hosts", "url"} if more else {*_PARTIES}
    for name in sorted((set(before) | set(after)) - said):
        one, other = before.get(name), after.get(name)
        if one != other:
            yield Said(f"/{name}", "compatible", "how it runs, not what callers see", one, other)


def _reached(config: Mapping[str, Any]) -> set[str]:
    """The hosts to which the configuration lets the arguments go."""
    hosts = config.get("hosts")
    found = {str(each) for each in hosts} if isinstance(hosts, list) else set()
    url = config.get("url")
    if isinstance(url, str):
        found.add(urlsplit(url).netloc.rpartition("@")[2] or url)
    return found


def _rate_limit(before: Any, after: Any) -> Iterator[Said]:
    for name in sorted(set(before) | set(after)):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if other is None or (one is not None and _looser(one, other)):
            yield Said(f"/{name}", "compatible", "calls may come faster", one, other)
        else:
            message = "calls that were taken may be turned away as too many"
            yield Said(f"/{name}", "breaking", message, one, other)


def _looser(one: str, other: str) -> bool:
    """As many at once and as many in the long run, or more of either."""
    (many, period), (more, span) = _rate(one), _rate(other)
    return more >= many and more / span >= many / period


def _rate(text: str) -> tuple[int, int]:
    count, _, period = text.partition("/")
    return int(count), _PERIODS[period]


def _environments(before: Any, after: Any) -> Iterator[Said]:
    gone = sorted(set(before) - set(after)) if before else []
    if (gone and after) or (after and not before):
        message = f"it is offered in {', '.join(after)} alone now"
        yield Said("", "breaking", message, before, after)
    else:
        message = "it is offered in more environments; grants and policies judge there as ever"
        yield Said("", "compatible", message, before, after)


def _annotations(before: Any, after: Any) -> Iterator[Said]:
    for name in sorted(set(before) | set(after)):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if name in _HINTS and one is _HINTS[name]:
            message = "clients were told that it does less than this: they decided by it"
            yield Said(f"/{name}", "breaking", message, one, other)
        else:
            yield Said(f"/{name}", "cosmetic", "a hint for clients", one, other)


def _promise(lost: str, won: str) -> Rule:
    def rule(before: Any, after: Any) -> Iterator[Said]:
        kind: Kind = "breaking" if before else "compatible"
        yield Said("", kind, lost if before else won, before, after)

    return rule


def _always(kind: Kind, message: str) -> Rule:
    def rule(before: Any, after: Any) -> Iterator[Said]:
        yield Said("", kind, message, before, after)

    return rule


def _compensation(before: Any, after: Any) -> Iterator[Said]:
    if before and not after:
        yield Said("", "breaking", "workflows can't undo its calls any more", before, after)
    else:
        yield Said("", "compatible", "how its calls are undone", before, after)


RULES: dict[str, Rule] = {
    "name": _always("breaking", "callers name the tool by its old name"),
    "description": _always("cosmetic", "the description is for people and models to read"),
    "tags": _always("cosmetic", "tags; policies that select by tag select anew"),
    "examples": _always("cosmetic", "the examples are for people and models to read"),
    "owner": _always("compatible", "another team answers for it"),
    "permissions_required": _permissions,
    "sandbox_config": _sandbox,
    "audit": _promise("its calls aren't audited in full any more", "its calls are audited in full"),
    "cost_per_call": _price,
    "data_class": _data_class,
    "executor": _always("breaking", "something else runs it, with other powers"),
    "executor_config": _executor_config,
    "idempotent": _promise(
        "callers that repeat a call may do harm now", "a call may be repeated without harm"
    ),
    "compensation": _compensation,
    "pure": _always("compatible", "whether its result may be kept and given again"),
    "cache_seconds": _always("compatible", "how long its result is kept"),
    "retry": _always("compatible", "how often a failed call is tried again"),
    "circuit_breaker": _always("compatible", "when it pauses after failures"),
    "rate_limit": _rate_limit,
    "environments": _environments,
    "annotations": _annotations,
}
