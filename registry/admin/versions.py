"""Published versions, aliases and pins in the admin: read here, moved on the tool's own page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from kernel.admin import DefinitionAdmin, HappeningAdmin
from unfold.decorators import display

from registry.models import ToolAlias, ToolVersion, VersionPin


class ReadOnly(DefinitionAdmin):
    """A definition that is changed by acts on another page, never by a form of fields."""

    class Meta:
        abstract = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ToolVersion)
class ToolVersionAdmin(HappeningAdmin):
    list_display = ("tool", "version", "published_at", "published_by", "digest")
    list_filter = ("tool__team",)
    list_select_related = ("tool",)
    search_fields = ("tool__name", "version")

    @display(description="checksum", ordering="checksum")
    def digest(self, row: ToolVersion) -> str:
        return f"{row.checksum[:16]}…"


@admin.register(ToolAlias)
class ToolAliasAdmin(ReadOnly):
    list_display = ("tool", "name", "version", "moved_at")
    list_select_related = ("tool", "version")
    search_fields = ("tool__name", "name")


@admin.register(VersionPin)
class VersionPinAdmin(ReadOnly):
    list_display = ("agent", "tool", "selector", "reason", "created_at")
    list_select_related = ("agent", "tool")
    search_fields = ("agent__name", "tool__name", "selector")
