"""Agents and their keys in the admin."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin, HappeningAdmin
from unfold.admin import TabularInline
from unfold.decorators import action

from registry import keys
from registry.models import Agent, Credential


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
