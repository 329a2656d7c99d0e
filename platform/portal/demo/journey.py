"""The main job without a person: a run from its start to its end, its gate decided at the page."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from portal.demo import summary
from portal.demo.person import Person
from portal.demo.progress import Display
from portal.demo.server import DemoError, Scratch

Choice = Literal["approve", "reject", "changes"]

MEMBER, REVIEWER = "member", "reviewer"
TEAM = "search"
WORKFLOW = "refactor_and_test"
ENDED = {"succeeded", "failed", "rejected", "cancelled"}
POLL_SECONDS = 0.5
LONGEST_SECONDS = 3600
EXPECTED = {"approve": "succeeded", "changes": "succeeded", "reject": "rejected"}


@dataclass(frozen=True)
class Order:
    """What the demo is asked to do."""

    choice: Choice = "approve"
    repository: Path | None = None


def perform(order: Order, scratch: Scratch, display: Display) -> dict[str, Any]:
    """1. import the repository as a project; 2. start the run as the team's member; 3. answer each
    gate as the reviewer; 4. bring the branch to the original repository; 5. sum up."""
    name = order.repository.resolve().name.lower() if order.repository else "auth-refactor"
    display.say(f"Importing {order.repository or 'the bundled sample'} …")
    words = ["project", "import", *([str(order.repository)] if order.repository else [])]
    imported = scratch.command(*words, "--name", name, "--team", TEAM, "--by", MEMBER)
    project = imported["project"]
    member = Person(scratch.url, MEMBER, scratch.passwords[MEMBER])
    body = {"project": project, "input": {"project": project}}
    started = member.post(f"workflows/{WORKFLOW}/runs/", body)
    display.say(f"Run {started['id']}: {scratch.url}/runs/{started['id']}/")
    run = _until_ended(member, started["id"], order, scratch, display)
    repository = _bring_back(order, scratch, run)
    return summary.of(
        run,
        member.get(f"projects/{project}/"),
        member.everything(f"tool-calls/?run={run['id']}"),
        url=f"{scratch.url}/runs/{run['id']}/",
        repository=repository,
    )


def went_as_asked(order: Order, result: Mapping[str, Any]) -> bool:
    return bool(result["status"] == EXPECTED[order.choice])


def _until_ended(
    member: Person, run_id: str, order: Order, scratch: Scratch, display: Display
) -> dict[str, Any]:
    answered: set[str] = set()
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        run = member.get(f"runs/{run_id}/")
        display.show(run)
        if run["status"] in ENDED:
            return run
        if run["status"] == "paused":
            raise DemoError(f"The run is paused: {run.get('reason', '')}")
        gate = _open_gate(run)
        if gate and gate not in answered:
            _answer(gate, order.choice, len(answered), scratch, run, display)
            answered.add(gate)
        time.sleep(POLL_SECONDS)
    raise DemoError(f"The run didn't end within {LONGEST_SECONDS} s.")


def _open_gate(run: dict[str, Any]) -> str | None:
    """The page of the question that the run waits for, if it waits for people."""
    asked = [step["approval"] for step in run["steps"] if step.get("approval")]
    return next((str(each["page"]) for each in asked if each["status"] == "open"), None)


def _answer(
    gate: str, choice: Choice, earlier: int, scratch: Scratch, run: dict[str, Any], display: Display
) -> None:
    """Vote at the gate's own page, as a reviewer with a browser does."""
    reviewer = Person(scratch.url, REVIEWER, scratch.passwords[REVIEWER])
    form = reviewer.form_with(gate, "decision")
    answers = _answers(choice, earlier, run, form.choices.get("exclude", []))
    reviewer.send(gate, form, answers)
    display.say(f"{REVIEWER} at {gate}: {answers['decision']}")


def _answers(
    choice: Choice, earlier: int, run: dict[str, Any], excludable: list[str]
) -> dict[str, Any]:
    if choice == "reject":
        return {"decision": "reject", "comment": "Not now."}
    if choice == "approve" or earlier:
        return {"decision": "approve", "comment": "Looks right."}
    candidate = _candidate(run)
    return {
        "decision": "request_changes",
        "comment": f"Leave {candidate['group']} of {candidate['module']} where it is.",
        "exclude": excludable or [candidate["group"]],
    }


def _candidate(run: dict[str, Any]) -> dict[str, str]:
    done = [s for s in run["steps"] if s["name"] == "refactor_agent" and s.get("output")]
    found: dict[str, str] = max(done, key=lambda s: s["iteration"])["output"]["candidate"]
    return found


def _bring_back(order: Order, scratch: Scratch, run: dict[str, Any]) -> str | None:
    """Fetch the merged branch into the original repository, which is otherwise left alone."""
    if order.repository is None or run["status"] != "succeeded":
        return None
    merged = next(step["output"] for step in run["steps"] if step["name"] == "merge_agent")
    source = order.repository.resolve()
    scratch.command("project", "fetch", str(source), "--run", run["id"])
    if not merged["branch"]:
        raise DemoError("The merge names no branch.")
    return str(source)
