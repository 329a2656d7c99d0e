"""Registers by which an upper app attaches panels to the pages of a lower noun."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernel.actor import Actor


@dataclass(frozen=True)
class Panel:
    """A fragment on a lower noun's page: a template and what it is given. `place` is `main` or
    `aside`, where the page has both."""

    noun: str
    name: str
    template: str
    context: Callable[[Any, Actor], dict[str, Any] | None]
    order: int = 100
    place: str = "main"


@dataclass(frozen=True)
class Shown:
    """A panel with its context, ready for a template."""

    name: str
    template: str
    context: dict[str, Any]
    place: str = "main"


_panels: list[Panel] = []


def add_panel(panel: Panel) -> None:
    """Attach a panel; the same noun and name again replaces it."""
    _panels[:] = [p for p in _panels if (p.noun, p.name) != (panel.noun, panel.name)]
    _panels.append(panel)


def panels(noun: str, subject: Any, actor: Actor) -> list[Shown]:
    """The panels of this noun, in order; one whose context is None has nothing to show."""
    shown = []
    for panel in sorted(_panels, key=lambda p: (p.order, p.name)):
        if panel.noun != noun:
            continue
        context = panel.context(subject, actor)
        if context is not None:
            shown.append(Shown(panel.name, panel.template, context, panel.place))
    return shown
