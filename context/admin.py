"""The context in the admin: a project's entry can be edited, what happened to it is read."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from kernel.admin import DefinitionAdmin, HappeningAdmin
from unfold.decorators import display

from context.models import Blob, Changeset, Decision, File, FileVersion, Project, ReadMark


@admin.register(Project)
class ProjectAdmin(DefinitionAdmin):
    """A project's entry. Its files and decisions change by changesets alone."""

    list_display = ("name", "team", "status", "next_step", "rev", "page")
    list_filter = ("team",)
    list_select_related = ("team",)
    search_fields = ("name", "description")
    readonly_fields = ("rev", "status", "next_step", "repository", "branch", "created_at", "page")
    fields = ("name", "team", "description", *readonly_fields)

    @display(description="Page")
    def page(self, project: Project) -> str:
        if project._state.adding:
            return ""
        return format_html('<a href="{}">Open</a>', reverse("project-page", args=[project.name]))


@admin.register(Changeset)
class ChangesetAdmin(HappeningAdmin):
    list_display = ("project", "rev", "kind", "actor_name", "summary", "status", "created_at")
    list_filter = ("kind", "project")
    list_select_related = ("project",)
    search_fields = ("summary", "actor_name")
    ordering = ("-id",)


@admin.register(Decision)
class DecisionAdmin(HappeningAdmin):
    list_display = ("decision", "badge", "agent", "project", "rev", "decided_at")
    list_filter = ("status", "project")
    list_select_related = ("project",)
    search_fields = ("decision", "rationale", "agent")
    ordering = ("-id",)

    @display(
        description="Status",
        ordering="status",
        label={
            "proposed": "warning",
            "accepted": "info",
            "implemented": "success",
            "rejected": "danger",
        },
    )
    def badge(self, decision: Decision) -> tuple[str, str]:
        return decision.status, decision.get_status_display()


@admin.register(File)
class FileAdmin(HappeningAdmin):
    list_display = ("path", "project", "version", "rev", "mode", "modified_by")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("path",)
    exclude = ("blob",)


@admin.register(FileVersion)
class FileVersionAdmin(HappeningAdmin):
    list_display = ("path", "project", "version", "rev", "mode", "modified_by")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("path",)
    ordering = ("-id",)
    exclude = ("blob",)


@admin.register(ReadMark)
class ReadMarkAdmin(HappeningAdmin):
    list_display = ("path", "project", "reader_id", "version", "rev", "read_at")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("path",)
    ordering = ("-id",)


@admin.register(Blob)
class BlobAdmin(HappeningAdmin):
    """Only digests and sizes: content is read through the files that bear it."""

    list_display = ("sha256", "size")
    search_fields = ("sha256",)
    fields = ("sha256", "size")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("content")
