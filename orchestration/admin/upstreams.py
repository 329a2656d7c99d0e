"""Upstream servers in the admin: edited, tested and synchronised by the platform team."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin, HappeningAdmin
from kernel.forms import DocumentField
from unfold.decorators import action, display

from orchestration import upstreams
from registry.models import UpstreamServer, UpstreamTool
from registry.upstreams import faults, ungranted

_LISTS = ("argv", "packages", "private_hosts")
_OBJECTS = ("env", "headers", "sandbox_config")


class ServerForm(forms.ModelForm):  # type: ignore[type-arg]
    """A server, refused with the place of each fault."""

    argv = DocumentField(rows=3, required=False, help_text="[python3, -m, my_server]")
    packages = DocumentField(rows=2, required=False, help_text="[my-server==1.2]")
    env = DocumentField(rows=3, required=False, help_text="{API_KEY: '${secret:my_key}'}")
    sandbox_config = DocumentField(rows=3, required=False, help_text="{memory_limit: 512MB}")
    headers = DocumentField(rows=3, required=False, help_text="{Authorization: '${secret:token}'}")
    private_hosts = DocumentField(rows=2, required=False, help_text="[mcp.internal]")

    class Meta:
        model = UpstreamServer
        fields = (
            "name",
            "team",
            "is_shared",
            "description",
            "is_active",
            "transport",
            *("argv", "env", "packages", "sandbox_config"),
            *("url", "headers", "private_hosts"),
            "sync_seconds",
        )

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc]
        for names, empty in ((_LISTS, list), (_OBJECTS, dict)):
            for name in names:
                if self.cleaned_data.get(name) is None:
                    self.cleaned_data[name] = empty()

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if self.errors:
            return values
        for issue in faults(UpstreamServer(**values)):
            name, _, rest = issue.pointer.lstrip("/").partition("/")
            self.add_error(name, f"/{rest}: {issue.message}" if rest else issue.message)
        return values


@admin.register(UpstreamServer)
class UpstreamServerAdmin(DefinitionAdmin):
    """What is run is what is saved: the actions take no other word from who presses them."""

    form = ServerForm
    list_display = ("name", "team", "transport", "is_active", "health", "synced_at")
    list_filter = ("transport", "is_active", "team")
    list_select_related = ("team",)
    search_fields = ("name", "description")
    readonly_fields = ("synced_at", "sync_error", "server_info", "created_at")
    actions_detail = ("test_it", "sync_it")
    fieldsets = (
        (None, {"fields": ("name", "team", "is_shared", "description", "is_active", "transport")}),
        ("A program in the sandbox", {"fields": ("argv", "env", "packages", "sandbox_config")}),
        ("A service", {"fields": ("url", "headers", "private_hosts")}),
        ("Comparing", {"fields": ("sync_seconds", "synced_at", "sync_error", "server_info")}),
    )

    def save_model(
        self, request: HttpRequest, obj: UpstreamServer, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if missing := ungranted(obj):
            told = (
                f"Server {obj} isn't granted {', '.join(missing)}: grant it on the secret's page."
            )
            messages.warning(request, f"{told} Until then it is neither called nor asked.")

    @display(description="last answer", label={"fine": "success", "failed": "danger", "never": ""})
    def health(self, server: UpstreamServer) -> str:
        if server.synced_at is None:
            return "never"
        return "failed" if server.sync_error else "fine"

    @action(description="Test", url_path="test")
    def test_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._asked(request, object_id, upstreams.test, "Test")

    @action(description="Synchronise", url_path="sync")
    def sync_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._asked(request, object_id, upstreams.sync, "Synchronise")

    def _asked(self, request: HttpRequest, object_id: str, act: Any, title: str) -> HttpResponse:
        """Asks first, then does it: a link that is followed starts no program."""
        server = self.get_object(request, object_id)
        if server is None:
            raise Http404(f"There is no upstream server {object_id!r} for you.")
        actor = actor_of(request)
        if not actor.is_platform:
            raise PermissionDenied
        if request.method != "POST":
            context = self.admin_site.each_context(request) | {"server": server, "title": title}
            return render(request, "admin/registry/ask_upstream.html", context)
        report = act(server, by=actor)
        if report.error:
            messages.error(request, report.error)
        else:
            seen = report.observation
            told = f"{seen.tools} tools, {len(seen.new)} new, {len(seen.gone)} gone"
            drifted = f", drifted: {', '.join(seen.drifted)}" if seen.drifted else ""
            messages.success(request, f"{server} answered: {told}{drifted}.")
        return HttpResponseRedirect(
            reverse("admin:registry_upstreamserver_change", args=[object_id])
        )


@admin.register(UpstreamTool)
class UpstreamToolAdmin(HappeningAdmin):
    list_display = ("name", "server", "status", "compare", "seen_at", "approved_by")
    list_filter = ("server",)
    list_select_related = ("server",)
    search_fields = ("name", "server__name")

    @display(
        description="state",
        label={
            "approved": "success",
            "drifted": "danger",
            "rejected": "danger",
            "new": "info",
            "gone": "",
        },
    )
    def status(self, row: UpstreamTool) -> str:
        return row.state

    @display(description="definition")
    def compare(self, row: UpstreamTool) -> str:
        address = reverse("upstream-tool", args=[row.pk])
        return format_html('<a href="{}">{}</a>', address, "Compare" if row.is_drifted else "Show")
