"""Tool calls in the admin: history, so it is read."""

import contextlib
import json
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from kernel.actor import actor_of
from kernel.admin import HappeningAdmin
from unfold.decorators import display

from orchestration.admin.filters import EnvironmentFilter, ReasonFilter
from orchestration.calls import limits
from orchestration.models import IdempotencyKey, ToolCall, ToolCallPayload
from orchestration.models.calls import CallStatus
from registry.models import Agent, ToolVersion

COLOURS = {"green": "success", "red": "danger", "amber": "warning", "blue": "info", "grey": "info"}
BADGES = {status.label: COLOURS[status.colour] for status in CallStatus}
SHOWN = 20_000
MOST_FOUND = 500


def _pretty(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    more = f"\n… {len(text) - SHOWN} more characters" if len(text) > SHOWN else ""
    return format_html("<pre>{}{}</pre>", text[:SHOWN], more)


def _lines(pairs: list[tuple[str, str]]) -> str:
    if not pairs:
        return "-"
    return format_html_join("", "<div><b>{}</b> {}</div>", pairs)


@admin.register(ToolCall)
class ToolCallAdmin(HappeningAdmin):
    list_display = (
        "id",
        "tool",
        "agent_name",
        "environment",
        "badge",
        "reason",
        "cost",
        "created_at",
    )
    list_filter = ("status", ReasonFilter, EnvironmentFilter)
    search_fields = ("tool_version__tool__name", "agent__name", "=id")
    search_help_text = "A tool, an agent, or the id of a call."
    ordering = ("-id",)
    list_select_related = ("approval",)
    fieldsets = (
        (None, {"fields": ("tool", "agent_name", "environment", "badge", "reason", "detail")}),
        ("Verdict", {"fields": ("effect", "limits_shown", "clamped", "explained", "approval")}),
        ("Enforcement", {"fields": ("enforced",)}),
        ("Payload", {"fields": ("arguments", "result", "error", "masks")}),
        ("Money", {"fields": ("cost",)}),
        ("Belongs to", {"fields": ("run_id", "step_id", "task_id")}),
        ("Time", {"fields": ("created_at", "started_at", "finished_at", "lease_until")}),
    )
    readonly_fields = tuple(name for _, part in fieldsets for name in part["fields"])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("payload")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By tool and agent through their indexes: names are looked for among the few, not among
        the calls."""
        term = search_term.strip()
        if not term:
            return queryset, False
        versions = ToolVersion.objects.filter(tool__name__icontains=term).order_by("-id")
        agents = Agent.objects.filter(name__icontains=term)
        found = Q(tool_version__in=list(versions.values_list("id", flat=True)[:MOST_FOUND]))
        found |= Q(agent__in=list(agents.values_list("id", flat=True)[:MOST_FOUND]))
        with contextlib.suppress(ValueError):
            found |= Q(id=UUID(term))
        return queryset.filter(found), False

    @display(description="tool", ordering="tool_name")
    def tool(self, call: ToolCall) -> str:
        return f"{call.tool_name} {call.version}"

    @display(description="status", ordering="status", label=BADGES)
    def badge(self, call: ToolCall) -> str:
        return str(call.get_status_display())

    @display(description="limits")
    def limits_shown(self, call: ToolCall) -> str:
        held = {k: v for k, v in limits.shown(call.limits).items() if k != "clamped"}
        return _lines([(name, _text(value)) for name, value in held.items()])

    @display(description="clamped")
    def clamped(self, call: ToolCall) -> str:
        cut = call.limits.get("clamped", {})
        return _lines([(k, f"asked {v['asked']}, given {v['given']}") for k, v in cut.items()])

    @display(description="explanation")
    def explained(self, call: ToolCall) -> str:
        return _lines([(_source(line), _said(line)) for line in call.explanation])

    @display(description="enforcement")
    def enforced(self, call: ToolCall) -> str:
        return _lines([(k.replace("_", " "), _text(v)) for k, v in call.enforcement.items()])

    @display(description="arguments")
    def arguments(self, call: ToolCall) -> str:
        return _pretty(call.payload.arguments)

    @display(description="result")
    def result(self, call: ToolCall) -> str:
        return _pretty(call.payload.result)

    @display(description="masked")
    def masks(self, call: ToolCall) -> str:
        return _lines([(side, _told(counts)) for side, counts in sorted(call.masked.items())])

    @display(description="error")
    def error(self, call: ToolCall) -> str:
        return _pretty(call.payload.error)


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _source(line: dict[str, Any]) -> str:
    return f"{line.get('policy') or 'required permissions'} {line.get('version', '')}".strip()


def _said(line: dict[str, Any]) -> str:
    shadow = " (shadow, not applied)" if line.get("shadow") else ""
    message = line.get("message") or ""
    return f"{line.get('effect')} by rule {line.get('rule')}{shadow}: {message}".rstrip(": ")


@admin.register(ToolCallPayload)
class ToolCallPayloadAdmin(HappeningAdmin):
    """Only for the platform's staff and auditors: a payload's call says whose it is."""

    list_display = ("call_id",)
    fields = readonly_fields = ("call", "arguments", "result", "error")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return _of_visible_calls(super().get_queryset(request), request)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(HappeningAdmin):
    list_display = ("key", "agent", "call")
    list_select_related = ("agent", "call")
    search_fields = ("key",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return _of_visible_calls(super().get_queryset(request), request)


def _of_visible_calls(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    visible = ToolCall.objects.visible_to(actor_of(request))
    return rows.filter(call__in=visible)
