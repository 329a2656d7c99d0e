"""Secrets in the admin: set and never shown again, granted to tools and servers one by one."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin
from kernel.problems import Problem
from kernel.visibility import CHANGE
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordWidget

from registry import secrets
from registry.models import Secret, SecretGrant, Team


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]
    """The value is typed, and left empty where it is to stay as it is."""

    value = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password"}, render_value=False
        ),
        help_text="Never shown again. Left empty, what is set stays set.",
    )

    class Meta:
        model = Secret
        fields = ("name", "team", "description")

    def clean_value(self) -> str:
        value: str = self.cleaned_data["value"]
        fault = secrets.fault(value) if value else ""
        if fault:
            raise forms.ValidationError(fault)
        return value


class GrantInline(TabularInline):  # type: ignore[misc]
    model = SecretGrant
    extra = 0
    fields = readonly_fields = (
        *("tool", "server", "reason", "granted_by", "created_at", "revoked_at"),
    )
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the secret sees who may be given it."""
        return True


@admin.register(Secret)
class SecretAdmin(DefinitionAdmin):
    form = SecretForm
    list_display = ("name", "team", "is_set", "set_at", "set_by")
    list_filter = ("team",)
    list_select_related = ("team",)
    search_fields = ("name", "description")
    readonly_fields = ("set_at", "set_by", "created_at")
    fields = ("name", "team", "description", "value", "set_at", "set_by", "created_at")
    inlines = (GrantInline,)

    @display(description="set", boolean=True)
    def is_set(self, secret: Secret) -> bool:
        return secret.set_at is not None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever owns things owns their secrets."""
        actor = actor_of(request)
        return actor.is_platform or (bool(actor.teams) and not actor.is_auditor)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        actor = actor_of(request)
        if db_field.name == "team" and not actor.is_platform:
            options["queryset"] = Team.objects.filter(id__in=actor.teams)
        return super().formfield_for_foreignkey(db_field, request, **options)

    @method_decorator(sensitive_post_parameters("value"))
    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        return super().changeform_view(request, *args, **options)

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.cleaned_data["value"]:
            secrets.put(obj, form.cleaned_data["value"], by=actor_of(request))


class GrantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new grant, judged by the same code that gives it."""

    request: HttpRequest

    class Meta:
        model = SecretGrant
        fields = ("secret", "tool", "server", "reason")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if {"secret", "tool", "server", "reason"} <= set(given):
            holders = [each for each in (given["tool"], given["server"]) if each]
            if len(holders) != 1:
                raise forms.ValidationError("Choose a tool or a server: one of them.")
            try:
                secrets.check(given["secret"], holders[0], by=actor_of(self.request))
            except Problem as problem:
                raise forms.ValidationError(problem.detail) from problem
        return given


@admin.register(SecretGrant)
class SecretGrantAdmin(DefinitionAdmin):
    """Grants are given and revoked; what was given is not edited."""

    list_display = ("secret", "given_to", "granted_by", "created_at", "revoked_at")
    # Neither a filter nor a menu lists every tool.
    list_filter = ("secret__team",)
    autocomplete_fields = ("secret", "tool", "server")
    list_select_related = ("secret", "tool", "server")
    search_fields = ("secret__name", "tool__name", "server__name")
    fields = ("secret", "tool", "server", "reason", "granted_by", "created_at", "revoked_at")
    actions_detail = ("revoke",)

    @display(description="given to")
    def given_to(self, row: SecretGrant) -> str:
        return f"server {row.server}" if row.server else f"tool {row.tool}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields if obj else ("granted_by", "created_at", "revoked_at")

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, **options)
        form: Any = super().get_form(request, obj, **(options | {"form": GrantForm}))
        form.request = request
        return form

    def has_add_permission(self, request: HttpRequest) -> bool:
        actor = actor_of(request)
        return actor.is_platform or (bool(actor.teams) and not actor.is_auditor)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        actor = actor_of(request)
        rows: Any = db_field.remote_field.model.objects
        if db_field.name in ("secret", "tool"):
            options["queryset"] = rows.visible_to(actor, CHANGE)
        if db_field.name == "server":
            # The platform team alone changes servers; who owns one may give it secrets.
            options["queryset"] = rows.visible_to(actor)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: SecretGrant, form: Any, change: bool) -> None:
        secrets.hand(obj, obj.holder, by=actor_of(request))
        super().save_model(request, obj, form, change)

    @action(description="Revoke", url_path="revoke")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks first. The tool's next call goes without the secret, and so it is refused."""
        grant = self.get_object(request, object_id)
        if grant is None:
            raise Http404(f"There is no grant {object_id!r} for you.")
        if not self.has_change_permission(request, grant):
            raise PermissionDenied
        if request.method != "POST":
            context = self.admin_site.each_context(request) | {"grant": grant, "title": "Revoke"}
            return render(request, "admin/registry/revoke_secret_grant.html", context)
        if secrets.revoke(grant, by=actor_of(request)):
            messages.success(request, f"{grant} is revoked.")
        return HttpResponseRedirect(reverse("admin:registry_secretgrant_change", args=[object_id]))
