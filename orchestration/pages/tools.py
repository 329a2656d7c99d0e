"""What this layer adds to a tool's page: its examples with their last outcome, and "try it"."""

from dataclasses import dataclass
from typing import Any

from kernel import canonical, console
from kernel.actor import Actor
from kernel.console import Panel

from orchestration import examples
from orchestration.models import ExampleRun
from orchestration.pages import trial
from registry.models import Tool

SHOWN = 20


@dataclass(frozen=True)
class Example:
    """One example of the live contract. `is_current` is false where the run was of another text."""

    number: int
    name: str
    arguments: dict[str, Any]
    expected: Any
    run: ExampleRun | None
    detail: str


def shown(tool: Tool, actor: Actor) -> dict[str, Any]:
    """The live version's examples; what didn't match is told to the team that ran them."""
    version = tool.live_version
    if version is None:
        return {"examples": [], "may_try": False, "tool": tool}
    last = examples.last(version)
    found = []
    for position, example in enumerate(version.contract["examples"][:SHOWN]):
        run = last.get(position)
        if run is not None and run.checksum != canonical.digest(dict(example)):
            run = None
        told = run is not None and (actor.is_platform or run.team_id in actor.teams)
        expected = example.get("result", example.get("expect"))
        name = str(example.get("name", f"Example {position + 1}"))
        detail = run.detail if run is not None and told else ""
        found.append(Example(position + 1, name, example["arguments"], expected, run, detail))
    return {"examples": found, "may_try": trial.agents_of(actor).exists(), "tool": tool}


def register() -> None:
    """Attach the panel."""
    console.add_panel(Panel("tool", "examples", "orchestration/_examples.html", shown, order=10))
