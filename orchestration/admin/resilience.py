"""Breakers, kept results and large results in the admin: read only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from kernel.admin import HappeningAdmin
from unfold.decorators import display

from orchestration.models import CachedResult, CircuitBreaker, LargeResult


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(HappeningAdmin):
    list_display = ("tool", "state", "failures", "since", "open_until", "last_error")
    list_select_related = ("tool",)
    search_fields = ("tool__name",)

    @display(description="state", label={"closed": "success", "open": "danger"})
    def state(self, breaker: CircuitBreaker) -> str:
        return "closed" if breaker.open_until is None else "open"


@admin.register(CachedResult)
class CachedResultAdmin(HappeningAdmin):
    list_display = ("key", "tool_version", "created_at", "expires_at")
    list_select_related = ("tool_version__tool",)
    exclude = ("result",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("result")


@admin.register(LargeResult)
class LargeResultAdmin(HappeningAdmin):
    list_display = ("call_id", "size", "sha256")
    fields = readonly_fields = ("call", "size", "sha256")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("content")
