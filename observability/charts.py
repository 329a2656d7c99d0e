"""Bars for a page's inline SVG: numbers in, coordinates out. No script, no style attribute."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH = 560
HEIGHT = 132
PLOT = 104
TOP = 6
# The smallest height at which something that isn't zero can still be seen.
LEAST = 2


@dataclass(frozen=True)
class Bar:
    """One bar: coordinates in the chart's own units, what stands below, what a pointer shows."""

    x: str
    y: str
    width: str
    height: str
    middle: str
    label: str
    title: str
    kind: str


@dataclass(frozen=True)
class Datum:
    """One value: `low` stands below `high` in the same bar."""

    label: str
    title: str
    low: int
    high: int = 0
    kind: str = ""


def bars(data: Sequence[Datum]) -> tuple[Bar, ...]:
    """One bar a value, and a second one on top of it where `high` isn't zero."""
    if not data:
        return ()
    slot = Decimal(WIDTH) / len(data)
    peak = max(datum.low + datum.high for datum in data) or 1
    found: list[Bar] = []
    for index, datum in enumerate(data):
        low = _height(datum.low, peak)
        high = _height(datum.high, peak)
        found.append(_bar(index, slot, TOP + PLOT - low, low, datum, datum.kind))
        if datum.high:
            found.append(_bar(index, slot, TOP + PLOT - low - high, high, datum, "bad"))
    return tuple(found)


def _height(value: int, peak: int) -> Decimal:
    if value <= 0:
        return Decimal(0)
    return max(Decimal(value) * PLOT / peak, Decimal(LEAST))


def _bar(index: int, slot: Decimal, y: Decimal, height: Decimal, datum: Datum, kind: str) -> Bar:
    width = slot * Decimal("0.7")
    x = slot * index + (slot - width) / 2
    label = "" if kind == "bad" else datum.label
    return Bar(
        x=f"{x:.1f}",
        y=f"{max(y, Decimal(0)):.1f}",
        width=f"{width:.1f}",
        height=f"{height:.1f}",
        middle=f"{x + width / 2:.1f}",
        label=label,
        title=datum.title,
        kind=kind,
    )
