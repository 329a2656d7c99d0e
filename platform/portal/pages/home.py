"""`/`: what matters to whoever is signed in. A reviewer's home begins with the inbox; the platform
team and auditors see every team's figures, members those of their teams."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from kernel import clock
from kernel.actor import REVIEWER, Actor, actor_of

from observability import dashboard, tiles
from orchestration.pages import inbox
from registry.models import Team

WAITING = 10


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Home, by role."""
    actor = actor_of(request)
    waiting = inbox.waiting_for(actor, WAITING)
    context: dict[str, Any] = {
        "scope": _scope(actor),
        "waiting": waiting,
        "shows_inbox": REVIEWER in actor.roles or bool(waiting),
    }
    if actor.is_platform or actor.is_auditor or actor.teams:
        context |= _figures(actor)
    return render(request, "portal/home.html", context)


def _figures(actor: Actor) -> dict[str, Any]:
    figures = dashboard.figures(actor, clock.now())
    return {
        "figures": figures,
        "tiles": tiles.tiles(figures),
        "cost_chart": tiles.cost_chart(figures),
        "task_chart": tiles.task_chart(figures),
    }


def _scope(actor: Actor) -> str:
    if actor.is_platform or actor.is_auditor:
        return "All teams"
    names = list(Team.objects.filter(id__in=actor.teams).values_list("name", flat=True)[:6])
    if not names:
        return "You are in no team; what you are asked stands here"
    return f"Team {names[0]}" if len(names) == 1 else f"Teams {', '.join(names)}"
