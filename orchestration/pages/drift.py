"""A drifted tool for those who decide: its definition as approved and as seen, side by side."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from kernel.actor import Actor, actor_of
from kernel.problems import Problem

from orchestration.pages import publications
from registry import acceptance, drift
from registry.acceptance import Prospect
from registry.models import UpstreamTool

MAX_ROWS = 3_000


@login_required
@require_http_methods(["GET", "HEAD"])
def page(request: HttpRequest, tool_id: UUID) -> HttpResponse:
    """Both definitions, what accepting would publish, and the two answers."""
    actor = actor_of(request)
    row = _found(actor, tool_id)
    told, fault = _prospects(row)
    layout = publications.layout_of(request)
    lines = publications.compared(_told(row.approved), _told(row.seen), layout)
    given = {
        "row": row,
        "layout": layout,
        "lines": lines[:MAX_ROWS],
        "left_out": max(len(lines) - MAX_ROWS, 0),
        "changed": drift.changed(row) if row.approved else [],
        "prospects": told,
        "fault": fault,
        "may_accept": actor.is_platform and row.is_drifted and not fault,
        "may_reject": row.state == "drifted" and acceptance.may_decide(row, actor),
    }
    return render(request, "orchestration/drift.html", given)


@login_required
@require_POST
def decide(request: HttpRequest, tool_id: UUID) -> HttpResponse:
    """Accept or reject what was read; `fingerprint` says what that was."""
    actor = actor_of(request)
    row = _found(actor, tool_id)
    act = acceptance.accept if request.POST.get("decision") == "accept" else acceptance.reject
    try:
        act(row.id, fingerprint=request.POST.get("fingerprint", ""), by=actor)
    except Problem as problem:
        messages.error(request, problem.detail)
    else:
        done = "accepted and published" if act is acceptance.accept else "rejected"
        messages.success(request, f"{row} was {done}.")
    return HttpResponseRedirect(reverse("upstream-tool", args=[tool_id]), status=303)


def _found(actor: Actor, tool_id: UUID) -> UpstreamTool:
    rows = UpstreamTool.objects.visible_to(actor).select_related("server__team")
    row: UpstreamTool | None = rows.filter(id=tool_id).first()
    if row is None:
        raise Http404("There is no such upstream tool for you.")
    return row


def _prospects(row: UpstreamTool) -> tuple[tuple[Prospect, ...], str]:
    """What accepting would publish, or why it can't."""
    if not row.is_drifted:
        return (), ""
    try:
        return acceptance.prospects(row), ""
    except Problem as problem:
        return (), problem.detail


def _told(definition: dict[str, object] | None) -> dict[str, object] | None:
    if not definition:
        return None
    return {name: definition[name] for name in drift.FINGERPRINTED if definition.get(name)}
