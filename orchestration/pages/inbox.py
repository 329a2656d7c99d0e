"""`/approvals/`: what waits for a person's answer, what else is open, and what was decided."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from kernel.actor import Actor, actor_of

from governance import approvals
from governance.models import Approval
from registry import reports
from registry.models import ToolReport

WAITING = 100
OTHERS = 50
DECIDED = 30
REPORTS = 20


@dataclass(frozen=True)
class Inbox:
    """Questions for one actor, and reports about their teams' tools. `more` says that there are
    open questions beyond those listed."""

    waiting: list[Approval]
    others: list[Approval]
    decided: list[Approval]
    more: bool
    reports: list[ToolReport]


def of(actor: Actor) -> Inbox:
    """The actor's inbox: four bounded queries."""
    waiting = waiting_for(actor, WAITING + 1)
    visible = approvals.visible(actor)
    shown = [approval.id for approval in waiting]
    others = visible.filter(status="open").exclude(id__in=shown).order_by("-created_at", "-id")
    decided = visible.exclude(status="open").order_by("-id")
    return Inbox(
        waiting=waiting[:WAITING],
        others=list(others[:OTHERS]),
        decided=list(decided[:DECIDED]),
        more=len(waiting) > WAITING,
        reports=list(reports.waiting_for(actor)[:REPORTS]),
    )


def waiting_for(actor: Actor, limit: int) -> list[Approval]:
    """The open questions that wait for this person, the oldest first."""
    rows: QuerySet[Approval] = approvals.waiting_for(actor)
    return list(rows[:limit])


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """The inbox."""
    actor = actor_of(request)
    return render(request, "orchestration/inbox.html", {"inbox": of(actor)})
