"""The audit log in the admin: filters that an index answers, and no count of the whole."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from kernel.admin import HappeningAdmin
from kernel.problems import Invalid
from unfold.contrib.filters.admin import DropdownFilter, TextFilter
from unfold.decorators import display

from governance import trail
from governance.events import EVENTS
from governance.models import AuditEvent


class _Narrow(admin.SimpleListFilter):
    """A filter of `trail.narrowed`; a value that doesn't fit is told and shows nothing."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked: Mapping[str, str] = {str(self.parameter_name): (self.value() or "").strip()}
        try:
            return trail.narrowed(queryset, asked)
        except Invalid as problem:
            told = "; ".join(issue.message for issue in problem.errors)
            messages.error(request, f"{problem.detail} {told}")
            return queryset.none()


class ByEvent(_Narrow, DropdownFilter):  # type: ignore[misc]
    title = "event"
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        nouns = sorted({event.partition(".")[0] for event in EVENTS})
        whole = [(f"{noun}.*", f"{noun.replace('_', ' ').capitalize()}: all") for noun in nouns]
        return sorted([*whole, *EVENTS.items()])


class ByActor(_Narrow, TextFilter):  # type: ignore[misc]
    title = "actor's name"
    parameter_name = "actor"


class ByTarget(_Narrow, TextFilter):  # type: ignore[misc]
    title = "target's id or name"
    parameter_name = "target"


class Since(_Narrow, TextFilter):  # type: ignore[misc]
    title = "first day or time"
    parameter_name = "since"


class Until(_Narrow, TextFilter):  # type: ignore[misc]
    title = "last day or time"
    parameter_name = "until"


@admin.register(AuditEvent)
class AuditEventAdmin(HappeningAdmin):
    """The log, the newest first. Every way in has an index, so that a page of ten million lines
    costs what a page of ten thousand costs."""

    list_display = ("moment", "event", "actor", "target", "on_behalf_of")
    list_filter = (ByEvent, ByActor, ByTarget, Since, Until)
    list_filter_submit = True
    search_fields = ("target_name",)
    search_help_text = "A whole name or id: who acted, or what was acted on."

    @display(description="at (UTC)")
    def moment(self, line: AuditEvent) -> str:
        return f"{line.at:%Y-%m-%d %H:%M:%S}"

    @display(description="actor")
    def actor(self, line: AuditEvent) -> str:
        return f"{line.actor_kind}: {line.actor_name}"

    @display(description="target")
    def target(self, line: AuditEvent) -> str:
        return f"{line.target_kind} {line.target_name or line.target_id}".strip()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Whole words only: a part of a name would read the whole table."""
        text = search_term.strip()
        if text:
            queryset = queryset.filter(trail.of_target(text) | Q(actor_name=text))
        return queryset, False
