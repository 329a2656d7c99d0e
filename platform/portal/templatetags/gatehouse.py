"""What every page's templates share: hostile text made harmless and visible, money, durations,
badges. Load it with `{% load gatehouse %}`."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Model
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from kernel import clock, money

from context.models import Decision
from context.models.changes import DecisionStatus
from governance.models import Approval
from governance.models.approvals import ApprovalStatus
from orchestration.models import AgentTask, Step, ToolCall, WorkflowRun
from orchestration.models.calls import CallStatus
from orchestration.models.runs import RunStatus, StepStatus
from orchestration.models.tasks import TaskStatus
from registry.models import ToolProposal, ToolReport
from registry.models.curation import ProposalStatus, ReportStatus

register = template.Library()

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
STATUSES: dict[type[Model], Any] = {
    Approval: ApprovalStatus,
    Decision: DecisionStatus,
    ToolCall: CallStatus,
    WorkflowRun: RunStatus,
    Step: StepStatus,
    AgentTask: TaskStatus,
    ToolProposal: ProposalStatus,
    ToolReport: ReportStatus,
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
    """What an agent, tool or repository wrote, as text that shows what it is: control and direction
    marks spelled out, at most `limit` characters. The template escapes."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    rest = len(text) - limit
    cleaned = _CONTROL.sub(_shown, text[:limit].replace("\r\n", "\n"))
    return f"{cleaned}… ({rest} more characters)" if rest > 0 else cleaned


@register.filter
def terminal(value: object, limit: int = DEFAULT_LIMIT) -> str:
    """A program's output, like `plain`, without the colours that it set. Not for code: there,
    nothing may be left out."""
    return plain(_ANSI.sub("", str(value)), limit)


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


@register.filter
def number(value: int) -> str:
    """A count, with a comma at each thousand."""
    return f"{value:,}"


@register.filter
def kind(value: str) -> str:
    """An approval's kind, or any other snake-case word, for people to read."""
    return value.replace("_", " ").capitalize()


@register.filter
def get(mapping: Any, key: str) -> Any:
    """A member of a JSON object; None for what is no object or lacks it."""
    return mapping.get(key) if isinstance(mapping, dict) else None


@register.filter
def tail(identifier: object) -> str:
    """The last eight characters of an id: in UUIDv7 the ones that differ."""
    return str(identifier)[-8:]


@register.filter
def between(start: datetime, end: datetime) -> str:
    """The time from one moment to another."""
    return seconds(end - start)


@register.filter
def message(error: Any) -> str:
    """What a recorded error says, whatever shape it has."""
    if not isinstance(error, dict):
        return str(error)
    found = error.get("message") or error.get("detail") or error.get("reason")
    return str(found) if found else json.dumps(error, ensure_ascii=False, default=str)


@register.filter
def exact(value: object, limit: int = DEFAULT_LIMIT) -> str:
    """A text as it is, anything else as JSON, so that a person approves what will run."""
    return plain(value, limit) if isinstance(value, str) else pretty(value, limit)


@register.filter
def vote_colour(decision: str) -> str:
    return {"approve": "green", "reject": "red"}.get(decision, "blue")


@register.filter
def effect_colour(effect: str) -> str:
    return {"allow": "green", "deny": "red", "require_approval": "amber"}.get(effect, "grey")


@register.filter
def change_colour(kind: str) -> str:
    return {"added": "green", "deleted": "red"}.get(kind, "blue")


_CALLABLE = {
    "yes": ("green", "callable"),
    "needs_approval": ("amber", "needs an approval"),
    "conditional": ("blue", "depends on the arguments"),
    "no": ("red", "not callable"),
}


@register.filter
def state_colour(state: str) -> str:
    """The colour of whether an agent may call a tool."""
    return _CALLABLE.get(state, ("grey", ""))[0]


@register.filter
def state_words(state: str) -> str:
    return _CALLABLE.get(state, ("", state))[1]


@register.filter
def difference_colour(kind: str) -> str:
    """The colour of a change between two versions of a contract."""
    return {"breaking": "red", "compatible": "green"}.get(kind, "grey")


_NO_CELL = format_html('<td class="{0}"></td><td class="{0}"></td>', "diff__cell--none")


@register.simple_tag
def diff_cells(old: Any, new: Any) -> SafeString:
    """Both sides of one line. Built here instead of in a template: a page has thousands."""
    return format_html("{}{}", _cell(old), _cell(new))


@register.simple_tag
def diff_line(line: Any) -> SafeString:
    """One line of a unified difference: both numbers, the sign, the text."""
    cell = line.shown
    old = "" if line.kind == "add" else line.old.number
    new = "" if line.kind == "del" else line.new.number
    return format_html(
        '<td class="diff__num">{}</td><td class="diff__num">{}</td>'
        '<td class="diff__sign">{}</td><td class="diff__code">{}</td>',
        old, new, cell.sign, _code(cell),
    )  # fmt: skip


def _cell(cell: Any) -> SafeString:
    if cell.kind == "none":
        return _NO_CELL
    row = f"diff__row--{cell.kind}"
    return format_html(
        '<td class="diff__num {}">{}</td><td class="diff__code {}">{}</td>',
        row, cell.number, row, _code(cell),
    )  # fmt: skip


_PARTS = {
    "": "{}",
    "changed": "<mark>{}</mark>",
    "trailing": '<span class="diff__trail" title="white space at the end">{}</span>',
}


def _code(cell: Any) -> SafeString:
    pieces = (format_html(_PARTS[part.kind], plain(part.text, 2_000)) for part in cell.parts)
    return format_html_join("", "{}", ((piece,) for piece in pieces))


@register.filter
def doing(progress: Any) -> str:
    """What an agent says that it does."""
    if isinstance(progress, dict) and isinstance(progress.get("doing"), str):
        return str(progress["doing"])
    return json.dumps(progress, ensure_ascii=False, default=str)


@register.filter
def details(data: Any, limit: int = 300) -> str:
    """An event's data on one line: `name=value`, the longest cut."""
    if not isinstance(data, dict):
        return plain(data, limit)
    pairs = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, default=str)}"
        for name, value in data.items()
        if value not in (None, "", {}, [])
    )
    return plain(" ".join(pairs), limit)
