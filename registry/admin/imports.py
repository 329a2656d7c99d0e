"""Importing tools in the admin: paste or upload, look at what it changes, apply what was shown."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from kernel import documents
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin
from kernel.problems import Problem
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from registry.importing import planning, texts
from registry.importing.drafts import Imported, Terms
from registry.importing.planning import Plan
from registry.models import Permission, Team

MAX_PASTED = 6 * 1024 * 1024
SHOWN = 200
"""So many tools, and so many skipped parts, are listed; the counts are of all."""

_LABELS = {
    "openapi": "OpenAPI 3.0 or 3.1",
    "mcp": "MCP: an answer to tools/list",
    "openai": "OpenAI functions",
    "anthropic": "Anthropic tools",
}


def _text(label: str, told: str, *, most: int = 200) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget()
    return forms.CharField(
        label=label, help_text=told, max_length=most, required=False, widget=widget
    )


class ImportForm(forms.Form):
    """What is imported, for whom, on which terms. The document travels through the preview as
    `carried`, so that what is applied is what was shown."""

    format = forms.ChoiceField(
        choices=[(name, _LABELS[name]) for name in texts.FORMATS], widget=UnfoldAdminSelectWidget
    )
    team = forms.ModelChoiceField(
        Team.objects.all(),
        to_field_name="name",
        label="Owner of new tools",
        widget=UnfoldAdminSelectWidget,
    )
    document = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_PASTED,
        label="Paste the document",
        help_text="JSON or YAML.",
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 10, "spellcheck": "false", "class": "font-mono"}
        ),
    )
    upload = forms.FileField(
        required=False, label="Or upload it", widget=UnfoldAdminFileFieldWidget
    )
    source = _text("Name of the source", "Tells it from others; for MCP the server's name.")
    prefix = _text(  # type: ignore[assignment]  # a field; the form's own prefix stays None
        "Prefix of new names", "Such as petstore; needed where a name is taken.", most=30
    )
    url = _text("Base address", "Where the document's own is relative, or says none.", most=2_000)
    only = _text("Only", "What the path, tag or name begins with.")
    permissions = forms.ModelMultipleChoiceField(
        Permission.objects.all(),
        to_field_name="name",
        required=False,
        label="Permissions that new tools ask for",
        widget=forms.CheckboxSelectMultiple,
    )
    shared = forms.BooleanField(
        required=False, label="Every team sees new tools", widget=UnfoldBooleanSwitchWidget
    )
    no_results = forms.BooleanField(
        required=False,
        label="Leave result schemas out",
        help_text="Else a result that doesn't fit its schema fails the call.",
        widget=UnfoldBooleanSwitchWidget,
    )
    carried = forms.CharField(required=False, widget=forms.HiddenInput, max_length=2 * MAX_PASTED)

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        raw = self._raw(found)
        if not raw.strip():
            raise forms.ValidationError("Paste a document, or choose a file.")
        return found | {"raw": raw}

    def _raw(self, found: dict[str, Any]) -> bytes:
        if file := found.get("upload"):
            if file.size > MAX_PASTED:
                told = f"A file has at most {MAX_PASTED // 1024**2} MB here; use the command."
                raise forms.ValidationError(told)
            return bytes(file.read())
        if typed := found.get("document"):
            return str(typed).encode("utf-8", "replace")
        try:
            return base64.b64decode(found.get("carried") or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise forms.ValidationError("The document is broken: choose it again.") from error

    def terms(self) -> Terms:
        said = self.cleaned_data
        return Terms(
            prefix=said["prefix"],
            url=said["url"],
            only=said["only"],
            permissions=tuple(said["permissions"].values_list("name", flat=True)),
            shared=said["shared"],
            results=not said["no_results"],
        )

    def imported(self) -> Imported:
        said = self.cleaned_data
        return texts.read_text(said["format"], said["raw"], said["source"], self.terms())


@dataclass(frozen=True)
class Preview:
    """A plan as the page shows it: what changes first, bounded."""

    plan: Plan
    carried: str

    @property
    def tools(self) -> list[tuple[planning.Planned, str]]:
        """What changes, each with its whole entry as YAML."""
        changed = [each for each in self.plan.planned if each.act != "unchanged"]
        return [(each, documents.to_text(dict(each.entry))) for each in changed[:SHOWN]]

    @property
    def counts(self) -> dict[str, int]:
        found = {act: len(self.plan.of(act)) for act in ("create", "update", "unchanged")}
        whole = sum(not each.part for each in self.plan.skipped)
        return found | {"skipped": whole, "left out in part": len(self.plan.skipped) - whole}

    @property
    def changes(self) -> int:
        return sum(each.act != "unchanged" for each in self.plan.planned)

    @property
    def hidden(self) -> int:
        return max(0, self.changes - SHOWN)

    @property
    def skipped(self) -> list[Any]:
        return sorted(self.plan.skipped, key=lambda each: each.part)[:SHOWN]

    @property
    def secrets(self) -> list[str]:
        return sorted({name for each in self.plan.planned for name in each.secrets})


class Importing(DefinitionAdmin):
    """Adds the import page to the list of tools."""

    actions_list = ("import_tools",)

    @action(description="Import", url_path="import", permissions=["import_tools"])
    def import_tools(self, request: HttpRequest) -> HttpResponse:
        """GET shows the form, POST the preview; POST with `apply` writes what was shown."""
        if not self.has_import_tools_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        preview = None
        if request.method == "POST" and form.is_valid():
            try:
                if "apply" in request.POST:
                    return _applied(request, form)
                preview = _preview(form)
            except Problem as problem:
                form.add_error(None, _told(problem))
        context = self.admin_site.each_context(request)
        context |= {"form": form, "preview": preview, "title": "Import tools"}
        status = 422 if form.is_bound and form.errors else 200
        return render(request, "admin/registry/import.html", context, status=status)

    def has_import_tools_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.is_active and actor_of(request).is_platform


def _preview(form: ImportForm) -> Preview:
    made = planning.plan(form.imported(), form.cleaned_data["team"], form.terms())
    # What stands in the text area travels there.
    carried = b"" if form.cleaned_data["document"] else form.cleaned_data["raw"]
    return Preview(made, base64.b64encode(carried).decode())


def _applied(request: HttpRequest, form: ImportForm) -> HttpResponse:
    made = planning.apply(
        form.imported(),
        form.cleaned_data["team"],
        actor_of(request),
        form.terms(),
        seen=request.POST.get("seen", ""),
    )
    created, updated = len(made.of("create")), len(made.of("update"))
    messages.success(request, f"Imported: {created} new tools, {updated} changed.")
    return HttpResponseRedirect(reverse("admin:registry_tool_changelist"))


def _told(problem: Problem) -> list[str]:
    issues = [f"{issue.pointer or '/'}: {issue.message}" for issue in problem.errors]
    return [problem.detail, *(told for told in issues if told not in problem.detail)]
