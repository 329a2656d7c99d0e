"""Tools in the admin: edit the draft, see its diff, publish it as a version."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from kernel import console
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin
from kernel.problems import Problem
from unfold.decorators import action, display

from registry import lifecycle, publishing, secrets
from registry.admin.imports import Importing
from registry.admin.proposing import Proposing
from registry.forms import ToolForm
from registry.models import Permission, Tool

PUBLISH_BUTTON = "registry_tool_save_and_publish"


@admin.register(Tool)
class ToolAdmin(Importing, Proposing):
    """A tool's entry: edit the draft, see its diff in the history, publish it as a version."""

    form = ToolForm
    list_display = ("name", "live", "team", "executor", "price", "state")
    list_filter = ("team", "executor", "deprecated", "permissions_required")
    list_select_related = ("team", "live_version")
    search_fields = ("name", "description")
    autocomplete_fields = ("permissions_required",)
    # The way out has rules of its own: its page is one click away.
    readonly_fields = (
        "live_version", "created_at", "deprecated", "deprecation_message", "replacement",
        "sunset_at", "removed_at",
    )  # fmt: skip
    change_form_before_template = "admin/registry/tool_before.html"
    actions_detail = ("open_lifecycle", "open_diff")
    actions_submit_line = ("save_and_publish", "submit_for_review")
    fieldsets = (
        (None, {"fields": ("name", "description", "team", "is_shared", "tags")}),
        ("How to call it", {"fields": ("parameters", "result_schema", "examples", "annotations")}),
        ("What it may do", {"fields": ("permissions_required", "data_class", "audit")}),
        (
            "How it runs",
            {
                "fields": (
                    "executor",
                    "executor_config",
                    "sandbox_config",
                    "environments",
                    "idempotent",
                    "retry",
                    "circuit_breaker",
                    "rate_limit",
                    "pure",
                    "cache_seconds",
                    "compensation",
                )
            },
        ),
        ("What it costs", {"fields": ("cost",)}),
        (
            "Version",
            {"fields": ("version", "release_notes", "live_version", "origin", "created_at")},
        ),
        (
            "Deprecation",
            {
                "fields": (
                    "deprecated",
                    "deprecation_message",
                    "replacement",
                    "sunset_at",
                    "removed_at",
                )
            },
        ),
    )

    @display(description="live version", ordering="live_version__sort_key")
    def live(self, tool: Tool) -> str:
        return tool.live_version.version if tool.live_version else "—"

    @display(description="cost per call", ordering="cost_micros")
    def price(self, tool: Tool) -> str:
        return tool.cost_per_call

    @display(
        description="state",
        label={
            "published": "success",
            "deprecated": "warning",
            "draft": "info",
            "sunset": "danger",
            "removed": "danger",
        },
    )
    def state(self, tool: Tool) -> str:
        return lifecycle.stage(tool)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """With what publishing the draft would do, and who would be hit, above the form."""
        context = dict(extra_context or {})
        tool = self.get_object(request, object_id) if object_id else None
        if tool is not None and tool.live_version is not None:
            context["publication"] = publishing.check(tool)
            context["panels"] = console.panels("tool_admin", tool, actor_of(request))
        return super().changeform_view(request, object_id, form_url, context)

    @action(description="Lifecycle and versions", url_path="lifecycle")
    def open_lifecycle(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Who is hit, the way out, aliases and pins: a page of its own."""
        return self._page(request, object_id, "tool-lifecycle-page")

    @action(description="Compare draft and live", url_path="compare")
    def open_diff(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What differs, classed, and both contracts side by side."""
        return self._page(request, object_id, "tool-diff-page")

    def _page(self, request: HttpRequest, object_id: str, page: str) -> HttpResponse:
        tool = self.get_object(request, object_id)
        if tool is None:
            raise Http404(f"There is no tool {object_id!r} for you.")
        return HttpResponseRedirect(reverse(page, args=[tool.name]))

    @action(description="Save and publish", permissions=["publish"])
    def save_and_publish(self, request: HttpRequest, obj: Tool) -> None:
        """The button alone: it takes effect in `save_related`, once the permissions are saved."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if PUBLISH_BUTTON in request.POST and self.has_publish_permission(request):
            _publish(request, form.instance)


def _publish(request: HttpRequest, tool: Tool) -> None:
    try:
        version = publishing.publish(tool, by=actor_of(request).reference)
    except Problem as problem:
        faults = "; ".join(f"{issue.pointer}: {issue.message}" for issue in problem.errors)
        messages.error(request, f"{problem.detail} {faults}")
    else:
        messages.success(request, f"{tool.name} {version.version} is live.")
        if missing := secrets.ungranted(tool, tool.executor_config):
            told = f"{tool.name} names secrets that it can't be given yet: {', '.join(missing)}."
            messages.warning(request, f"{told} Its calls are refused until they are granted.")


@admin.register(Permission)
class PermissionAdmin(DefinitionAdmin):
    list_display = ("name", "description")
    search_fields = ("name",)
