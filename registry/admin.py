"""The registry in the admin: where the platform team edits tools, agents, teams and people."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin, HappeningAdmin
from kernel.problems import Problem
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from registry import keys, publishing
from registry.forms import ToolForm
from registry.models import Agent, Credential, Permission, Team, Tool, ToolVersion, User

admin.site.unregister(Group)

PUBLISH_BUTTON = "registry_tool_save_and_publish"


@admin.register(Tool)
class ToolAdmin(DefinitionAdmin):
    """A tool's entry: edit the draft, see its diff in the history, publish it as a version."""

    form = ToolForm
    list_display = ("name", "live", "team", "executor", "price", "state")
    list_filter = ("team", "executor", "deprecated", "permissions_required")
    list_select_related = ("team", "live_version")
    search_fields = ("name", "description")
    autocomplete_fields = ("permissions_required",)
    readonly_fields = ("live_version", "created_at")
    actions_submit_line = ("save_and_publish",)
    fieldsets = (
        (None, {"fields": ("name", "description", "team", "is_shared", "tags")}),
        ("How to call it", {"fields": ("parameters", "result_schema", "examples")}),
        ("What it may do", {"fields": ("permissions_required", "data_class", "audit")}),
        (
            "How it runs",
            {
                "fields": (
                    "executor",
                    "executor_config",
                    "sandbox_config",
                    "idempotent",
                    "compensation",
                )
            },
        ),
        ("What it costs", {"fields": ("cost",)}),
        ("Version", {"fields": ("version", "live_version", "created_at")}),
        (
            "Deprecation",
            {"fields": ("deprecated", "deprecation_message", "replacement", "sunset_at")},
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
        label={"published": "success", "deprecated": "warning", "draft": "info"},
    )
    def state(self, tool: Tool) -> str:
        if tool.deprecated:
            return "deprecated"
        return "published" if tool.live_version else "draft"

    @action(description="Save and publish")
    def save_and_publish(self, request: HttpRequest, obj: Tool) -> None:
        """The button alone: it takes effect in `save_related`, once the permissions are saved."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if PUBLISH_BUTTON in request.POST:
            _publish(request, form.instance)


def _publish(request: HttpRequest, tool: Tool) -> None:
    try:
        version = publishing.publish(tool, by=actor_of(request).reference)
    except Problem as problem:
        faults = "; ".join(f"{issue.pointer}: {issue.message}" for issue in problem.errors)
        messages.error(request, f"{problem.detail} {faults}")
    else:
        messages.success(request, f"{tool.name} {version.version} is live.")


@admin.register(ToolVersion)
class ToolVersionAdmin(HappeningAdmin):
    list_display = ("tool", "version", "published_at", "published_by", "checksum")
    list_filter = ("tool",)
    list_select_related = ("tool",)
    search_fields = ("tool__name", "version")


@admin.register(Permission)
class PermissionAdmin(DefinitionAdmin):
    list_display = ("name", "description")
    search_fields = ("name",)


class CredentialInline(TabularInline):  # type: ignore[misc]
    model = Credential
    extra = 0
    fields = ("label", "prefix", "created_by", "expires_at", "revoked_at", "last_used_at")
    readonly_fields = ("label", "prefix", "created_by", "last_used_at")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Agent)
class AgentAdmin(DefinitionAdmin):
    list_display = ("name", "team", "environment", "runtime", "baseline_minutes", "is_active")
    list_filter = ("team", "environment", "runtime", "is_active")
    list_select_related = ("team",)
    search_fields = ("name", "description")
    inlines = (CredentialInline,)
    actions_detail = ("issue_key",)

    @action(description="Issue a key", url_path="issue-key")
    def issue_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks first; the key's text is in this one response and never again."""
        agent = self.get_object(request, object_id)
        if agent is None:
            raise Http404(f"There is no agent {object_id!r} for you.")
        if not self.has_change_permission(request, agent):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {"agent": agent, "title": "Issue a key"}
        if request.method == "POST":
            new = keys.issue(agent, label=f"issued by {actor_of(request).name}")
            context["key"] = new.text
        answer = render(request, "admin/registry/issue_key.html", context)
        answer["Cache-Control"] = "no-store"
        return answer


@admin.register(Credential)
class CredentialAdmin(HappeningAdmin):
    """Keys are read here; they are issued and revoked on the agent's own page."""

    list_display = ("agent", "label", "prefix", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("agent",)
    search_fields = ("agent__name", "label", "prefix")
    exclude = ("digest",)


@admin.register(Team)
class TeamAdmin(DefinitionAdmin):
    list_display = ("name", "description")
    search_fields = ("name",)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, DefinitionAdmin):  # type: ignore[misc, type-arg]
    """People. Django's own flags follow from the role and aren't edited."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "role", "is_active")
    list_filter = ("role", "is_active", "groups")
    # Django's two boxes are wider than the theme's form.
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("What they may do", {"fields": ("role", "groups", "is_active")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "role", "password1", "password2"), "classes": ("wide",)}),
    )
