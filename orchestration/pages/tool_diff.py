"""`/tools/{name}/diff/?from=1.2&to=1.3`: two contracts of a tool, classed and side by side."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods
from kernel import console
from kernel.actor import actor_of
from kernel.console import Shown

from orchestration.pages import publications
from orchestration.pages.differences import Line
from registry import comparison
from registry.comparison import Comparison

MAX_ROWS = 1_500


@dataclass(frozen=True)
class Diff:
    """The comparison with both forms of its lines: beside each other, and below each other."""

    found: Comparison
    split: list[Line]
    unified: list[Line]
    left_out: int
    panels: list[Shown]

    @property
    def counts(self) -> list[tuple[str, int]]:
        kinds = ("breaking", "compatible", "cosmetic")
        return [(kind, len(self.found.of(kind))) for kind in kinds if self.found.of(kind)]


@login_required
@require_http_methods(["GET", "HEAD"])
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Where something breaks, the page says who is hit."""
    actor = actor_of(request)
    asked = request.GET
    found = comparison.compare(name, asked.get("from"), asked.get("to"), actor)
    split = publications.compared(found.left, found.right, "split")
    unified = publications.compared(found.left, found.right, "unified")
    breaks = bool(found.of("breaking"))
    shown = Diff(
        found=found,
        split=split[:MAX_ROWS],
        unified=unified[:MAX_ROWS],
        left_out=max(len(unified) - MAX_ROWS, 0),
        panels=console.panels("tool_lifecycle", found.tool, actor) if breaks else [],
    )
    return render(request, "orchestration/tool_diff.html", {"shown": shown})
