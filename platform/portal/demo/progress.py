"""How far a run is: bars on a terminal, plain lines otherwise; always on standard error."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

ENDED = {"succeeded", "failed", "skipped", "cancelled"}


class Display:
    """Shows the state of each step of a run, as often as it is told."""

    def __init__(self, progress: Progress | None, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._bars: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def show(self, run: Mapping[str, Any]) -> None:
        """The run's steps as they are now; a plain line only where something changed."""
        for step in run["steps"]:
            doing = next((t["progress"].get("doing", "") for t in reversed(step["tasks"])), "")
            text = step["status"] + (f": {doing}" if doing and step["status"] == "running" else "")
            name = step["name"] + (f" #{step['iteration']}" if step["iteration"] > 1 else "")
            if self._said.get(name) == text:
                continue
            self._said[name] = text
            self._draw(name, text, step["status"] in ENDED)

    def _draw(self, name: str, text: str, ended: bool) -> None:
        if self._progress is None:
            self.say(f"{name:<20} {text}")
            return
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=None, state=text)
        self._progress.update(self._bars[name], state=text)
        if ended:
            self._progress.update(self._bars[name], total=1, completed=1)


@contextmanager
def display() -> Iterator[Display]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Display(None, console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<20}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Display(progress, console)
