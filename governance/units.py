"""Spans of time and limits as people write them in policies, in the units of the sandbox."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from governance import packages
from governance.verdicts import Limit
from registry import sizes

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
SCOPES = ("agent", "team", "tool")
_RATE = re.compile(r"^[1-9]\d{0,8}/(second|minute|hour|day)\Z")
_SPAN = re.compile(r"^\s*(\d+)\s*([smhd])\s*$")


class UnitError(ValueError):
    """A text or number that is no span of time or no limit of its kind."""


def seconds(span: int | str) -> int:
    """The span in seconds: a whole number above zero, or like `30s`, `15m`, `24h`, `7d`."""
    if isinstance(span, int) and not isinstance(span, bool) and span > 0:
        return span
    found = _SPAN.match(span) if isinstance(span, str) else None
    if not found or int(found[1]) == 0:
        raise UnitError(f"{span!r} is no span of time: write seconds, or like 30s, 15m, 24h or 7d")
    return int(found[1]) * _SECONDS[found[2]]


def _size(value: Any) -> int:
    try:
        size = sizes.parse(value)
    except sizes.SizeError as error:
        raise UnitError(str(error)) from error
    if size <= 0:
        raise UnitError("write a size above zero")
    return size


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise UnitError(f"{value!r} is no number above zero")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UnitError(f"{value!r} is no whole number")
    return value


def _network(value: Any) -> str:
    if value != "none":
        raise UnitError('the network is limited to "none"; leave it out to leave it alone')
    return "none"


def _access(value: Any) -> str:
    if value != "read":
        raise UnitError('access is limited to "read"; leave it out to leave it alone')
    return "read"


def _packages(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UnitError("write a list of names, each with a star at its end if it begins a name")
    for pattern in value:
        if not isinstance(pattern, str) or not re.match(packages.FORM, pattern):
            raise UnitError(f"{pattern!r} is no package name; a star may only stand at the end")
    return packages.shortest(value)


def _rates(value: Any) -> tuple[str, ...]:
    if not isinstance(value, dict) or not value:
        raise UnitError("write who may call how often, such as {agent: 100/hour}")
    for scope, rate in value.items():
        if scope not in SCOPES:
            raise UnitError(f"{scope!r} is no party: write {', '.join(SCOPES)}")
        if not isinstance(rate, str) or not _RATE.match(rate):
            raise UnitError(f"{rate!r} is no rate: write like 60/minute (second, hour, day)")
    return tuple(sorted(f"{scope} {rate}" for scope, rate in value.items()))


LIMITS: Mapping[str, Callable[[Any], Limit]] = {
    "timeout": seconds,
    "memory": _size,
    "cpu": _number,
    "processes": _whole,
    "disk": _size,
    "output": _size,
    "rows": _whole,
    "network": _network,
    "access": _access,
    "packages": _packages,
    "calls_per_period": _rates,
}
"""Each limit and how its value is read: seconds, bytes, cores, counts, words, patterns."""


def limit(name: str, value: Any) -> Limit:
    """The limit in its canonical unit. Raises UnitError."""
    return LIMITS[name](value)
