"""What every page's templates share: hostile text made harmless and visible, money, durations,
badges. Load it with `{% load gatehouse %}`."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Model
from kernel import clock, money

from context.models import Decision
from context.models.changes import DecisionStatus
from governance.models import Approval
from governance.models.approvals import ApprovalStatus
from orchestration.models import AgentTask, Step, ToolCall, WorkflowRun
from orchestration.models.calls import CallStatus
from orchestration.models.runs import RunStatus, StepStatus
from orchestration.models.tasks import TaskStatus

register = template.Library()

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
STATUSES: dict[type[Model], Any] = {
    Approval: ApprovalStatus,
    Decision: DecisionStatus,
    ToolCall: CallStatus,
    WorkflowRun: RunStatus,
    Step: StepStatus,
    AgentTask: TaskStatus,
}

# ANSI sequences (ECMA-48) carry colours, which mean nothing on a page.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)")
# Controls, and the marks by which text shows in another order than it is read ("Trojan Source",
# CVE-2021-42574) or hides itself: zero width, bidirectional, tag characters.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
DEFAULT_LIMIT = 20_000


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else f"⟦U+{code:04X}⟧"


@register.filter
def plain(value: object, limit: int = DEFAULT_LIMIT) -> str:
    """What an agent, tool or repository wrote, as text that shows what it is: colours dropped,
    control and direction marks spelled out, at most `limit` characters. The template escapes."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    rest = len(text) - limit
    cleaned = _CONTROL.sub(_shown, _ANSI.sub("", text[:limit].replace("\r\n", "\n")))
    return f"{cleaned}… ({rest} more characters)" if rest > 0 else cleaned


@register.filter
def pretty(value: object, limit: int = DEFAULT_LIMIT) -> str:
    """A JSON value, indented, with the same care as `plain`."""
    return plain(json.dumps(value, indent=2, ensure_ascii=False, default=str), limit)


@register.filter
def amount(micros: int | None) -> str:
    """Micro-units as people read money: cents, and more digits only below a cent."""
    value = micros or 0
    cents = round(abs(value) / 10_000)
    small = 0 < abs(value) < 10_000
    digits = money.text(abs(value)) if small else f"{cents // 100:,}.{cents % 100:02d}"
    sign = "-" if value < 0 else ""
    symbol = SYMBOLS.get(settings.CURRENCY)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {settings.CURRENCY}"


@register.filter
def seconds(value: float | timedelta | None) -> str:
    """A duration: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `4 d 3 h`."""
    if value is None:
        return ""
    total = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if total < 10:
        return f"{max(total, 0):.1f} s"
    whole = round(total)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


@register.filter
def took(row: Any) -> str:
    """How long a step, task, call or run has taken, or takes so far."""
    started = row.started_at or (row.created_at if row.finished_at else None)
    if started is None:
        return ""
    return seconds((row.finished_at or clock.now()) - started)


@register.inclusion_tag("_time.html")
def time(at: datetime | None) -> dict[str, Any]:
    """A moment, in UTC, with its exact form for machines."""
    return {"at": at}


@register.inclusion_tag("_badge.html")
def badge(row: Model) -> dict[str, str]:
    """The row's status in its colour."""
    statuses = STATUSES[type(row)]
    status = statuses(row.status)  # type: ignore[attr-defined]
    return {"colour": status.colour, "label": status.label}


@register.filter
def colour(row: Model) -> str:
    """The colour of the row's status."""
    return str(STATUSES[type(row)](row.status).colour)  # type: ignore[attr-defined]
