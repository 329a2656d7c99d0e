"""The tool form's guard-rail: the platform team publishes, the owning team submits for review."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin
from kernel.problems import Problem
from unfold.decorators import action

from registry import catalogue, proposals
from registry.models import Tool, ToolProposal
from registry.models.curation import ProposalStatus

SUBMIT_BUTTON = "registry_tool_submit_for_review"
KEPT = ("name", "team", "origin")
"""What the platform team alone edits: a tool's name is its address, its team answers for it."""


class Proposing(DefinitionAdmin):
    """What the form of a tool lets people do with its draft, by who they are."""

    class Meta:
        abstract = True

    def has_publish_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_platform

    def has_submit_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may edit the draft."""
        return self.has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if actor_of(request).is_platform else fields + KEPT

    @action(description="Submit for review", permissions=["submit"])
    def submit_for_review(self, request: HttpRequest, obj: Tool) -> None:
        """The button alone: it takes effect in `save_related`, once the permissions are saved."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        tool: Tool = form.instance
        if SUBMIT_BUTTON in request.POST and self.has_submit_permission(request, tool):
            _submit(request, tool)
        elif ToolProposal.objects.filter(name=tool.name, status=ProposalStatus.OPEN).exists():
            messages.warning(
                request,
                "A proposal of this tool is in review, without what you saved now: that isn't "
                "shown to the reviewers, and a publication replaces it. Submit for review again "
                "to take the proposal's place.",
            )

    def response_change(self, request: HttpRequest, obj: Tool) -> HttpResponse:
        submitted = getattr(request, "submitted_proposal", None)
        if submitted is not None:
            return HttpResponseRedirect(reverse("proposal", args=[submitted.id]))
        return cast(HttpResponse, super().response_change(request, obj))


def _submit(request: HttpRequest, tool: Tool) -> None:
    entry = catalogue.entry_of(Tool.objects.select_related("team", "replacement").get(pk=tool.pk))
    try:
        row = proposals.submit(entry, by=actor_of(request), notes=tool.release_notes)
    except Problem as problem:
        faults = "; ".join(f"{issue.pointer}: {issue.message}" for issue in problem.errors)
        messages.error(request, f"Not submitted. {problem.detail} {faults}")
    else:
        request.submitted_proposal = row  # type: ignore[attr-defined]
        messages.success(request, f"{row} is in review; the live version stays live meanwhile.")
