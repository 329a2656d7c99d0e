"""Filters of lists without an end: their choices are known, so that nothing is scanned for them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestration.calls import REASONS
from registry.models.agents import Environment, Runtime


class Known(admin.SimpleListFilter):
    """By one column, whose values are a closed list."""

    choices_known: tuple[tuple[str, Any], ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, Any], ...]:
        return self.choices_known

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = {str(self.parameter_name): self.value()}
        return queryset.filter(**asked) if self.value() else queryset


class ReasonFilter(Known):
    """Why a call was refused."""

    title = parameter_name = "reason"
    choices_known = tuple((reason, title) for reason, (_, title) in REASONS.items())


class EnvironmentFilter(Known):
    """Where it happened."""

    title = parameter_name = "environment"
    choices_known = tuple(Environment.choices)


class RuntimeFilter(Known):
    """What ran the agent."""

    title = parameter_name = "runtime"
    choices_known = tuple(Runtime.choices)
