"""Proposed tools and reports in the admin: read here, with what upper apps let people do there."""

import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from kernel import console, documents
from kernel.actor import actor_of
from kernel.admin import HappeningAdmin
from unfold.decorators import action, display

from registry import proposals
from registry.models import ToolProposal, ToolReport
from registry.models.curation import ProposalStatus

MAX_ROWS = 2_000


@dataclass(frozen=True)
class Row:
    """One line of a difference; `kind` is `added`, `removed`, `place` or `same`."""

    kind: str
    text: str


def rows_of(before: str, after: str) -> Iterator[Row]:
    """A unified difference of two texts, without the names of its sides."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="")
    for number, line in enumerate(lines):
        if number > 1:
            yield Row(kinds.get(line[:1], "same"), line)


@dataclass(frozen=True)
class Review:
    """What whoever reviews a proposal is shown. `outdated` tells why approving it would publish
    nothing, `left_out` how many lines of the difference are too many."""

    row: ToolProposal
    outdated: str
    lines: tuple[Row, ...]
    left_out: int
    impact: list[console.Shown]


@admin.register(ToolProposal)
class ToolProposalAdmin(HappeningAdmin):
    """What teams want published, with the difference; upper apps attach the question about it."""

    list_display = ("name", "number", "team", "state", "requester_name", "created_at", "closed_at")
    list_filter = ("status", "team")
    list_select_related = ("team",)
    search_fields = ("name", "requester_name")
    actions_detail = ("review",)
    change_form_outer_before_template = "admin/registry/proposal_before.html"
    fieldsets = (
        (None, {"fields": ("name", "number", "team", "base_version", "status", "outcome")}),
        ("Who and why", {"fields": ("requester_name", "requester_for", "notes", "created_at")}),
        ("What is published", {"fields": ("document", "digest", "published_version")}),
    )

    @display(
        description="status",
        ordering="status",
        label={
            "In review": "warning",
            "Published": "success",
            "Rejected": "danger",
            "Changes requested": "info",
        },
    )
    def state(self, row: ToolProposal) -> str:
        return str(row.get_status_display())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """With the difference, and what upper apps attach to it, above the fields."""
        context = dict(extra_context or {})
        row = self.get_object(request, object_id) if object_id else None
        if row is not None:
            context["review"] = _review(row, request)
            context["panels"] = console.panels("tool_proposal_admin", row, actor_of(request))
        return super().changeform_view(request, object_id, form_url, context)

    def read_again(
        self, request: HttpRequest, row: ToolProposal, *, status: int, context: dict[str, Any]
    ) -> HttpResponse:
        """The page, for a form on it that was sent elsewhere and is refused: `context` goes to the
        panels' templates."""
        reading = copy.copy(request)
        reading.method = "GET"
        reading.path = reverse("admin:registry_toolproposal_change", args=[row.pk])
        answer: HttpResponse = self.changeform_view(reading, str(row.pk), extra_context=context)
        answer.status_code = status
        return answer

    @action(description="Review side by side", url_path="review")
    def review(self, request: HttpRequest, object_id: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("proposal", args=[object_id]))


def _review(row: ToolProposal, request: HttpRequest) -> Review:
    before = _text(row.base_version.contract) if row.base_version else ""
    lines = tuple(rows_of(before, _text(row.contract)))
    actor = actor_of(request)
    return Review(
        row=row,
        outdated=proposals.why_outdated(row) if row.status == ProposalStatus.OPEN else "",
        lines=lines[:MAX_ROWS],
        left_out=max(len(lines) - MAX_ROWS, 0),
        impact=console.panels("tool_admin", row.tool, actor) if row.tool else [],
    )


def _text(contract: Any) -> str:
    return documents.to_text(documents.by_name(contract))


@admin.register(ToolReport)
class ToolReportAdmin(HappeningAdmin):
    """Problems and requests, the newest first."""

    list_display = ("title", "kind", "tool_name", "team", "state", "reporter_name", "created_at")
    list_filter = ("status", "kind", "team")
    list_select_related = ("team",)
    search_fields = ("title", "tool_name", "reporter_name")
    actions_detail = ("answer_it",)

    @display(
        description="status",
        ordering="status",
        label={"Open": "warning", "Answered": "info", "Became a proposal": "success"},
    )
    def state(self, row: ToolReport) -> Any:
        return row.get_status_display()

    @action(description="Read and answer", url_path="answer")
    def answer_it(self, request: HttpRequest, object_id: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("report", args=[object_id]))
