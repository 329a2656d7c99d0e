"""`/approvals/`: what waits for a person's answer, what else is open, and what was decided."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from kernel.actor import Actor, actor_of

from governance import approvals
from governance.models import Approval

WAITING = 100
OTHERS = 50
DECIDED = 30


@dataclass(frozen=True)
class Inbox:
    """Questions for one actor. `more` says that there are open ones beyond those listed."""

    waiting: list[Approval]
    others: list[Approval]
    decided: list[Approval]
    more: bool


def of(actor: Actor) -> Inbox:
    """The actor's inbox: three bounded queries."""
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
