"""What the person who starts Gatehouse is told: where it is, and how to sign in."""

import sys

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from portal.installation import Prepared
from portal.server import Address


def show(at: Address, prepared: Prepared) -> None:
    """A panel on a terminal, plain lines otherwise; on standard error, as all progress."""
    console = Console(stderr=True, highlight=False)
    lines = text(at, prepared)
    if console.is_terminal:
        console.print(_panel(at, prepared))
    else:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()


def text(at: Address, prepared: Prepared) -> list[str]:
    """The same as plain lines."""
    lines = [f"Gatehouse is at {at.url}"]
    if prepared.first:
        lines.append("Sign in (these passwords are shown this once):")
        lines += [f"  {who.name}  {who.password}  ({who.role})" for who in prepared.people]
    return [*lines, *prepared.notes, "Stop it with Ctrl-C."]


def _panel(at: Address, prepared: Prepared) -> Panel:
    table = Table.grid(padding=(0, 3))
    table.add_row(f"[bold]{at.url}[/bold]")
    if prepared.first:
        table.add_row("")
        table.add_row("Sign in; these passwords are shown this once:")
        people = Table.grid(padding=(0, 3))
        for who in prepared.people:
            people.add_row(
                f"  {who.name}", f"[bold]{who.password}[/bold]", f"[dim]{who.role}[/dim]"
            )
        table.add_row(people)
    for note in prepared.notes:
        table.add_row("")
        table.add_row(note)
    table.add_row("")
    table.add_row("[dim]Ctrl-C stops it.[/dim]")
    return Panel(table, title="Gatehouse", expand=False, padding=(1, 2))
