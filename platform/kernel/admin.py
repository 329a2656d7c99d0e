"""The two shapes of admin page: definitions (edited, with history) and happenings (read only)."""

import json
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from guardian.admin import ReinforcedGuardedModelAdminMixin
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin

from kernel.actor import Actor, actor_of
from kernel.models import Outbox


class AtLeast(int):
    """How many rows were counted before the counting stopped: more may follow."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a table of any size: it counts no further than `reach` rows, so that the first page
    of ten million rows costs what the first page of ten thousand costs. Filters reach the rest."""

    reach = 5_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        # Without its order, the bounded count is a scan that stops early.
        found = int(rows.order_by()[: self.reach].count())
        return found if found < self.reach else AtLeast(found)


class Indented(json.JSONEncoder):
    """JSON as people edit it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"indent": 2, "ensure_ascii": False}))


class DefinitionAdmin(SimpleHistoryAdmin, ReinforcedGuardedModelAdminMixin, ModelAdmin):  # type: ignore[misc]
    """A definition's admin: history with diffs, object permissions, and `visible_to` on every list.

    The order of the bases matters: with unfold first, guardian's change form disappears.
    """

    history_list_per_page = 50
    list_per_page = 50
    show_full_result_count = False
    warn_unsaved_form = True

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if isinstance(field, forms.JSONField):
            field.encoder = Indented
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[no-untyped-call]
        visible = getattr(rows, "visible_to", None)
        return visible(actor_of(request)) if visible else rows

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj, "view")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return actor_of(request).is_platform

    def has_add_permission(self, request: HttpRequest) -> bool:
        actor = actor_of(request)
        return actor.is_platform

    def _may(self, request: HttpRequest, obj: Model | None, action: str) -> bool:
        if not (request.user.is_active and request.user.is_staff):
            return False
        actor = actor_of(request)
        if actor.is_platform or obj is None:
            return actor.is_platform or action == "view" or not actor.is_auditor
        # unfold's actions ask with the key instead of the object.
        rows: Any = self.model._default_manager.filter(pk=getattr(obj, "pk", obj))
        return bool(rows.visible_to(actor, action).exists())


def visible(rows: QuerySet[Any], actor: Actor) -> QuerySet[Any]:
    """What the actor may see; rows that belong to no team concern those who run the platform."""
    narrow = getattr(rows, "visible_to", None)
    if narrow is not None:
        return narrow(actor)  # type: ignore[no-any-return]
    return rows if actor.is_platform or actor.is_auditor else rows.none()


class HappeningAdmin(ModelAdmin):  # type: ignore[misc]
    """A happening's admin: it is history, so it is read and never edited.

    Ids sort by time, so the newest are first without a further index.
    """

    paginator = BoundedPaginator
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return visible(super().get_queryset(request), actor_of(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Outbox)
class OutboxAdmin(HappeningAdmin):
    list_display = ("topic", "subject_id", "due_at", "attempts", "claimed_until", "last_error")
    list_filter = ("topic",)
