"""Proposed tools and reports in the admin: read here, decided and answered on their pages."""

import difflib
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from kernel import documents
from kernel.admin import HappeningAdmin
from unfold.decorators import action, display

from registry.models import ToolProposal, ToolReport


@admin.register(ToolProposal)
class ToolProposalAdmin(HappeningAdmin):
    """What teams want published: the difference is here, side by side it is on its own page."""

    list_display = ("name", "number", "team", "state", "requester_name", "created_at", "closed_at")
    list_filter = ("status", "team")
    list_select_related = ("team",)
    search_fields = ("name", "requester_name")
    actions_detail = ("review",)
    fieldsets = (
        (None, {"fields": ("name", "number", "team", "base_version", "status", "outcome")}),
        ("Who and why", {"fields": ("requester_name", "requester_for", "notes", "created_at")}),
        ("What it changes", {"fields": ("changes", "difference")}),
        ("What is published", {"fields": ("document", "digest", "published_version")}),
    )
    readonly_fields = ("changes", "difference")

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

    @display(description="changes")
    def changes(self, row: ToolProposal) -> str:
        told = (f"{each['kind']}  {each['pointer']}  {each['message']}" for each in row.differences)
        return "\n".join(told) or ("none" if row.base_version_id else "a new tool")

    @display(description="difference")
    def difference(self, row: ToolProposal) -> SafeString:
        before = documents.to_text(row.base_version.contract) if row.base_version else ""
        after = documents.to_text(row.contract)
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "live", "proposed", lineterm=""
        )
        text = "\n".join(lines)
        return format_html('<pre class="font-mono whitespace-pre-wrap break-all">{}</pre>', text)

    @action(description="Review side by side", url_path="review")
    def review(self, request: HttpRequest, object_id: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("proposal", args=[object_id]))


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
