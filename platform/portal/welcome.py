"""What the person who starts Gatehouse is told: where it is, and how to sign in.

A panel on a terminal, plain lines otherwise; on standard error, as all progress.
"""

import sys

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from portal.installation import Prepared


def show(url: str, prepared: Prepared) -> None:
    """The address, the first people's passwords, and what else is worth knowing."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        console.print(_panel(url, prepared))
    else:
        _say(_lines(url, prepared))


def tell(text: str) -> None:
    """One more line, later."""
    _say([text])


def _say(lines: list[str]) -> None:
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def _lines(url: str, prepared: Prepared) -> list[str]:
    lines = [f"Gatehouse is at {url}"]
    if prepared.people:
        lines.append("Sign in (these passwords are shown this once):")
        lines += [f"  {who.name}  {who.password}  ({who.role})" for who in prepared.people]
    return [*lines, *prepared.notes, "Ctrl-C stops it."]


def _panel(url: str, prepared: Prepared) -> Panel:
    table = Table.grid(padding=(0, 3))
    table.add_row(f"[bold]{url}[/bold]")
    if prepared.people:
        table.add_row("")
        table.add_row("Sign in; these passwords are shown this once:")
        people = Table.grid(padding=(0, 3))
        for who in prepared.people:
            password = f"[bold]{who.password}[/bold]"
            people.add_row(f"  {who.name}", password, f"[dim]{who.role}[/dim]")
        table.add_row(people)
    for note in prepared.notes:
        table.add_row("")
        table.add_row(note)
    table.add_row("")
    table.add_row("[dim]Ctrl-C stops it.[/dim]")
    return Panel(table, title="Gatehouse", expand=False, padding=(1, 2))
