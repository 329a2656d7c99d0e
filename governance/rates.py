"""Rate limits: so many calls per period, for an agent, a team or a whole tool.

A token bucket, kept as the one number of the generic cell rate algorithm (GCRA, ITU-T I.371): an
allowance of 60 a minute lets 60 calls in at once, and one more each second after that. Taking is
one conditional update, so that it is exact however many processes take at once.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import BigIntegerField, F, Q, Value
from django.db.models.functions import Greatest
from kernel import clock
from kernel.problems import Problem

from governance.models import RateBucket

SECONDS: Mapping[str, int] = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
KEPT = timedelta(days=1)
BATCH = 1_000


@dataclass(frozen=True)
class Party:
    """Who calls what: what the scopes of a rate limit stand for."""

    agent_id: UUID
    agent: str
    team_id: UUID
    tool: str

    def of(self, scope: str) -> tuple[str, str]:
        """The scope's key, and its name for people."""
        if scope == "agent":
            return f"agent:{self.agent_id}", f"agent {self.agent}"
        if scope == "team":
            return f"team:{self.team_id}", "the team"
        return f"tool:{self.tool}", "all callers together"


@dataclass(frozen=True)
class Rate:
    """One bucket: at most `calls` at once, refilled evenly over `seconds`."""

    key: str
    calls: int
    seconds: int
    told: str

    @property
    def interval(self) -> int:
        """Microseconds that one call uses up."""
        return math.ceil(self.seconds * 1_000_000 / self.calls)

    @property
    def tolerance(self) -> int:
        """How far ahead of now, in microseconds, the bucket's time may be for one more call."""
        return self.interval * (self.calls - 1)


class Limited(Problem):
    """A bucket is empty. `retry_after` is in whole seconds."""

    status, reason, title = 429, "rate_limited", "Too many calls"

    def __init__(self, rate: Rate, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(
            f"{rate.told}. Try again in {retry_after} s.",
            extra={"retry_after": retry_after},
            headers={"Retry-After": str(retry_after)},
        )


def parsed(text: str) -> tuple[int, int]:
    """`60/minute` as calls and seconds. Raises ValueError."""
    calls, _, period = text.partition("/")
    if not calls.isdecimal() or int(calls) < 1 or period not in SECONDS:
        raise ValueError(f"{text!r} is no rate: write like 60/minute ({', '.join(SECONDS)})")
    return int(calls), SECONDS[period]


def of_tool(said: Mapping[str, str], party: Party) -> Iterator[Rate]:
    """The buckets of a contract's `rate_limit`: each of this tool alone."""
    for scope, text in said.items():
        key, name = party.of(scope)
        calls, seconds = parsed(text)
        told = f"Tool {party.tool} takes {_phrase(text)} from {name}"
        yield Rate(f"{key}|tool:{party.tool}", calls, seconds, told)


def of_policy(limits: Iterable[Any], party: Party) -> Iterator[Rate]:
    """The buckets of a verdict's `calls_per_period`: each of all calls that the rule matches."""
    for each in limits:
        source, scope, text = str(each).rsplit(" ", 2)
        key, name = party.of(scope)
        calls, seconds = parsed(text)
        told = f"Policy *{source.partition('/')[0]}* allows {_phrase(text)}"
        yield Rate(f"{key}|{source}"[:200], calls, seconds, f"{told} to {name}")


def _phrase(text: str) -> str:
    return text.replace("/", " calls per ")


def take(rates: Iterable[Rate], at: datetime) -> None:
    """Take one call out of every bucket, or out of none. Raises Limited.

    In the order of their keys, so that two callers never wait for each other in a circle.
    """
    ordered = sorted(rates, key=lambda rate: rate.key)
    now = _micros(at)
    if len(ordered) == 1:
        _take(ordered[0], now)
    elif ordered:
        with transaction.atomic():
            for rate in ordered:
                _take(rate, now)


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def _take(rate: Rate, now: int) -> None:
    if _taken(rate, now):
        return
    tat = RateBucket.objects.filter(key=rate.key).values_list("tat", flat=True).first()
    if tat is None:
        try:
            with transaction.atomic():
                RateBucket.objects.create(key=rate.key, tat=now + rate.interval)
            return
        except IntegrityError:
            if _taken(rate, now):
                return
            tat = RateBucket.objects.values_list("tat", flat=True).get(key=rate.key)
    raise _limited(rate, tat, now)


def _limited(rate: Rate, tat: int, now: int) -> Limited:
    return Limited(rate, max(1, math.ceil((tat - now - rate.tolerance) / 1_000_000)))


def _taken(rate: Rate, now: int) -> bool:
    rows = RateBucket.objects.filter(key=rate.key, tat__lte=now + rate.tolerance)
    moment = Value(now, output_field=BigIntegerField())
    return bool(rows.update(tat=Greatest(F("tat"), moment) + rate.interval))


@dataclass(frozen=True)
class Used:
    """Buckets that weren't full at one moment (microseconds since 1970), by their keys: read once
    and asked for many calls, none of which is counted."""

    at: int
    times: Mapping[str, int]

    @classmethod
    def by(cls, party: Party, at: datetime) -> "Used":
        """Every bucket that a call of this agent for this team may be counted in, of any tool."""
        now = _micros(at)
        begin = (party.of("agent")[0] + "|", party.of("team")[0] + "|", "tool:")
        mine = reduce(or_, map(_beginning, begin))
        return cls(
            now, dict(RateBucket.objects.filter(mine, tat__gt=now).values_list("key", "tat"))
        )

    @property
    def tools(self) -> set[str]:
        """The names of the tools that a bucket is kept for alone."""
        named = (part for key in self.times for part in key.split("|"))
        return {part[5:] for part in named if part.startswith("tool:")}

    def refusal(self, rates: Iterable[Rate]) -> Limited | None:
        """What `take` would raise now."""
        for rate in sorted(rates, key=lambda rate: rate.key):
            tat = self.times.get(rate.key)
            if tat is not None and tat > self.at + rate.tolerance:
                return _limited(rate, tat, self.at)
        return None


def _beginning(text: str) -> Q:
    # Each database has an index for one of them: PostgreSQL sorts as people do.
    if connection.vendor == "postgresql":
        return Q(key__startswith=text)
    return Q(key__gte=text, key__lt=text + "\U0010ffff")


def sweep() -> int:
    """Delete buckets that have been full for a day, at most 1,000 at once. Returns how many."""
    past = _micros(clock.now() - KEPT)
    keys = list(RateBucket.objects.filter(tat__lt=past).values_list("key", flat=True)[:BATCH])
    # Only what is still full: one that was used meanwhile stays.
    deleted, _ = RateBucket.objects.filter(key__in=keys, tat__lt=past).delete()
    return deleted
