"""A proposed tool for its reviewers: the contract as it is and as it would be, side by side."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from kernel import canonical, console, documents
from kernel.actor import Actor, actor_of
from kernel.console import Shown
from kernel.problems import Conflict

from context import diffs
from context.diffs import Side
from governance import approvals
from governance.models import Approval
from orchestration import examples
from orchestration.models import ExampleRun
from orchestration.pages import differences
from orchestration.pages.differences import Layout, Line
from registry import proposals
from registry.models import ToolProposal

TEMPLATE = "orchestration/publication.html"
MAX_ROWS = 5_000
MAX_REPORTS = 20
MAX_EXAMPLES = 10


@dataclass(frozen=True)
class Example:
    """One example of the proposed contract, and what came of the very same one when it was last
    executed: against the published version, or the live one while there is none."""

    example: Any
    run: ExampleRun | None


@dataclass(frozen=True)
class Review:
    """What a reviewer reads. `lines` are the contract's YAML, live against proposed; `entry` is
    what the proposal says beside the contract; `outdated` why approving it would do nothing."""

    row: ToolProposal
    lines: tuple[Line, ...]
    left_out: int
    breaking: int
    entry: dict[str, Any]
    outdated: str
    panels: list[Shown]
    reports: list[Any]
    examples: list[Example]
    may_withdraw: bool
    seen: str

    @property
    def is_new(self) -> bool:
        return self.row.base_version_id is None


def review(row: ToolProposal, actor: Actor, layout: Layout) -> Review:
    """Everything about one proposal."""
    before = row.base_version.contract if row.base_version else None
    lines = tuple(compared(before, row.contract, layout))
    beside = {"shared": True} if row.base_version is None else {}
    beside |= {key: row.document[key] for key in ("shared", "origin") if key in row.document}
    return Review(
        row=row,
        lines=lines[:MAX_ROWS],
        left_out=max(len(lines) - MAX_ROWS, 0),
        breaking=sum(each.get("kind") == "breaking" for each in row.differences),
        entry=beside,
        outdated=proposals.why_outdated(row) if row.status == "open" else "",
        panels=console.panels("tool_lifecycle", row.tool, actor) if row.tool else [],
        reports=list(row.reports.visible_to(actor)[:MAX_REPORTS]),
        examples=_examples(row),
        may_withdraw=proposals.may_withdraw(row, actor),
        seen=proposals.digest_of(row),
    )


def _examples(row: ToolProposal) -> list[Example]:
    version = row.published_version or row.base_version
    runs = examples.last(version).values() if version else ()
    known = {run.checksum: run for run in runs}
    said = row.contract["examples"][:MAX_EXAMPLES]
    return [Example(each, known.get(canonical.digest(each))) for each in said]


def compared(before: Any, after: Any, layout: Layout) -> list[Line]:
    """Two documents as YAML, line by line; a document that is None isn't there."""
    old, new = (_text(each) for each in (before, after))
    found = diffs.compare("contract", old, new, old=_side(old), new=_side(new))
    # What is new has one side only.
    return list(differences.lines(found.rows, layout if old and new else "unified"))


def _text(document: Any) -> bytes | None:
    return None if document is None else documents.to_text(documents.by_name(document)).encode()


def _side(text: bytes | None) -> Side:
    return Side() if text is None else Side(version=1, sha256="0", size=len(text))


def layout_of(request: HttpRequest) -> Layout:
    return "unified" if request.GET.get("view") == "unified" else "split"


def shown(
    request: HttpRequest, actor: Actor, approval: Approval, given: dict[str, Any], status: int
) -> HttpResponse:
    """The question about a proposal: whoever may see the question may see what it is about."""
    rows = ToolProposal.objects.select_related("team", "tool", "base_version", "published_version")
    row = rows.filter(id=approval.subject_id).first()
    layout = layout_of(request)
    given |= {"review": review(row, actor, layout) if row else None, "layout": layout}
    return render(request, TEMPLATE, given, status=status)


@login_required
@require_http_methods(["GET", "HEAD"])
def page(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """`/tools/proposals/{id}/`: its question, or the proposal alone while there is none yet."""
    actor = actor_of(request)
    row = proposals.find(proposal_id, actor)
    if row.approval_id and approvals.visible(actor).filter(id=row.approval_id).exists():
        return HttpResponseRedirect(reverse("approval", args=[row.approval_id]))
    layout = layout_of(request)
    return render(request, TEMPLATE, {"review": review(row, actor, layout), "layout": layout})


@login_required
@require_POST
def withdraw(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Take it back, and look at it again."""
    try:
        proposals.withdraw(proposal_id, by=actor_of(request))
    except Conflict as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, "You withdrew this proposal.")
    return HttpResponseRedirect(reverse("proposal", args=[proposal_id]), status=303)
