"""What people and agents tell a tool's owner: a problem with it, or the wish for a new one."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from kernel import acts, clock
from kernel.actor import Actor
from kernel.problems import Conflict, Forbidden, Invalid, Issue, NotFound

from registry import quotas
from registry.entries import is_name
from registry.models import Team, Tool, ToolProposal, ToolReport
from registry.models.agents import NAME
from registry.models.curation import ReportKind, ReportStatus
from registry.publishing import UnknownTool

PER_HOUR = 20
MAX_TITLE = 200
MAX_TEXT = 10_000
MOST_COUNTED = 100
WAITING = (ReportStatus.OPEN,)
# From what each answer may follow; closed is the end.
_AFTER: dict[str, tuple[str, ...]] = {
    ReportStatus.ANSWERED: (ReportStatus.OPEN,),
    ReportStatus.TAKEN_UP: (ReportStatus.OPEN, ReportStatus.ANSWERED),
    ReportStatus.CLOSED: (ReportStatus.OPEN, ReportStatus.ANSWERED, ReportStatus.TAKEN_UP),
}


def report_problem(name: str, *, title: str, text: str, by: Actor) -> ToolReport:
    """Tell the owner of a visible tool what is wrong. Raises UnknownTool, Invalid, TooMany."""
    tool = Tool.objects.visible_to(by).select_related("team").filter(name=name).first()
    if tool is None:
        raise UnknownTool(f"There is no tool {name!r} for you. See GET /api/v1/tools/.")
    row = ToolReport(kind=ReportKind.PROBLEM, tool=tool, tool_name=tool.name, team=tool.team)
    return _filed(row, title, text, by)


def request_tool(*, title: str, text: str, by: Actor, name: str = "", team: str = "") -> ToolReport:
    """Wish for a tool that there isn't: from the team that should own it, or the platform team.

    `name` is what it might be called. Raises Invalid, TooMany.
    """
    issues = []
    if name and not is_name(name):
        issues.append(Issue("/name", str(NAME.message)))
    owner = Team.objects.filter(name=team).first() if team else None
    if team and owner is None:
        issues.append(Issue("/team", f"there is no team {team!r}; leave it out if in doubt"))
    if issues:
        raise Invalid("This request doesn't fit.", errors=tuple(issues))
    return _filed(ToolReport(kind=ReportKind.REQUEST, tool_name=name, team=owner), title, text, by)


def _filed(row: ToolReport, title: str, text: str, by: Actor) -> ToolReport:
    row.title, row.text = _clean(title), _clean(text)
    _require_text(row)
    row.reporter_kind, row.reporter_id = by.kind, by.id
    row.reporter_name, row.reporter_for = by.name, by.on_behalf_of
    with transaction.atomic():
        mine = ToolReport.objects.filter(reporter_kind=by.kind, reporter_id=by.id)
        quotas.require_room(mine, by, PER_HOUR)
        row.save(force_insert=True)
        _record("filed", row, kind=str(row.kind), tool=row.tool_name)
    return row


def _clean(text: str) -> str:
    return text.strip().replace("\x00", "")


def _require_text(row: ToolReport) -> None:
    issues = []
    for pointer, text, most in (("/title", row.title, MAX_TITLE), ("/text", row.text, MAX_TEXT)):
        if not text:
            issues.append(Issue(pointer, "write something"))
        elif len(text) > most:
            issues.append(Issue(pointer, f"at most {most} characters"))
    if issues:
        raise Invalid("This report doesn't fit.", errors=tuple(issues))


def visible(actor: Actor) -> QuerySet[ToolReport]:
    """What the actor reported and what their teams own; for auditors and the platform team all."""
    rows: QuerySet[ToolReport] = ToolReport.objects.visible_to(actor)
    return rows.select_related("team", "tool", "proposal")


def find(report_id: UUID, actor: Actor) -> ToolReport:
    """Raises NotFound for what isn't there or isn't visible."""
    row = visible(actor).filter(id=report_id).first()
    if row is None:
        raise NotFound("There is no such report, or it isn't visible to you.")
    return row


def _owned(actor: Actor) -> Q:
    """Whose answer it waits for: a person's own teams, and for the platform team the ownerless."""
    own = Q(team_id__in=actor.teams)
    return own | Q(team_id__isnull=True) if actor.is_platform else own


def waiting_for(actor: Actor) -> QuerySet[ToolReport]:
    """The open reports that wait for an answer of this person's teams, the oldest first."""
    rows = ToolReport.objects.filter(_owned(actor), status__in=WAITING)
    rows = rows if actor.kind == "user" else rows.none()
    return rows.select_related("tool", "team").order_by("id")


def count_waiting(actor: Actor) -> int:
    """How many wait for this person's teams, counted up to 100."""
    return int(waiting_for(actor).order_by()[:MOST_COUNTED].count()) if actor.kind == "user" else 0


def may_answer(row: ToolReport, actor: Actor) -> bool:
    """People of the owning team and of the platform team answer; agents don't."""
    return actor.kind == "user" and (actor.is_platform or row.team_id in actor.teams)


def is_reporter(row: ToolReport, actor: Actor) -> bool:
    return (row.reporter_kind, row.reporter_id) == (actor.kind, actor.id)


def proposals_for(row: ToolReport, actor: Actor) -> QuerySet[ToolProposal]:
    """The proposals that it may have become, the newest first."""
    rows: QuerySet[ToolProposal] = ToolProposal.objects.visible_to(actor)
    if row.tool_name:
        rows = rows.filter(name=row.tool_name)
    return rows.order_by("-id")


def answer(
    report_id: UUID, *, by: Actor, status: str, comment: str = "", proposal_id: UUID | None = None
) -> ToolReport:
    """Answer a report, say which proposal it became, or close it; whoever reported may close it.

    Raises NotFound, Forbidden, Invalid, and Conflict where somebody else was first.
    """
    row = find(report_id, by)
    if not may_answer(row, by) and not (is_reporter(row, by) and status == ReportStatus.CLOSED):
        raise Forbidden("The tool's owner answers a report; who reported it may close it.")
    text = _clean(comment)
    proposal = _require_answer(status, text, proposal_id, by)
    with transaction.atomic():
        rows = ToolReport.objects.filter(id=row.id, status__in=_AFTER[status])
        if not rows.update(**_values(status, text, by, proposal)):
            row.refresh_from_db(fields=["status"])
            raise Conflict(f"This is {row.get_status_display().lower()} already. Look at it again.")
        row = find(report_id, by)
        _record(status, row, comment=text, proposal=str(proposal.id) if proposal else None)
    return row


def _values(status: str, text: str, by: Actor, proposal: ToolProposal | None) -> dict[str, Any]:
    values: dict[str, Any] = {"status": status}
    if text:
        values |= {"answer": text, "answered_by": by.reference, "answered_at": clock.now()}
    return values | ({"proposal": proposal} if proposal else {})


def _require_answer(
    status: str, text: str, proposal_id: UUID | None, by: Actor
) -> ToolProposal | None:
    issues = []
    if status not in _AFTER:
        issues.append(Issue("/status", f"write one of {', '.join(_AFTER)}"))
    if status == ReportStatus.ANSWERED and not text:
        issues.append(Issue("/comment", "write the answer"))
    if len(text) > MAX_TEXT:
        issues.append(Issue("/comment", f"at most {MAX_TEXT} characters"))
    proposal = None
    if proposal_id is not None:
        proposal = ToolProposal.objects.visible_to(by).filter(id=proposal_id).first()
        if proposal is None:
            issues.append(Issue("/proposal", "there is no such proposal for you"))
    elif status == ReportStatus.TAKEN_UP:
        issues.append(Issue("/proposal", "write the id of the proposal that it became"))
    if issues:
        raise Invalid("This answer doesn't fit.", errors=tuple(issues))
    return proposal


def _record(verb: str, row: ToolReport, **data: Any) -> None:
    acts.record(
        f"tool_report.{verb}",
        target_kind="tool_report",
        target_id=row.id,
        target_name=row.title,
        team_id=row.team_id,
        **data,
    )
