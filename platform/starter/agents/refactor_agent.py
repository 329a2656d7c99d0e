"""refactor_agent: moves a cohesive group of definitions to a module of its own.

It tries its candidates in order and keeps the first that the repository's own tests don't mind;
one that breaks them is given up before anybody else sees it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starter.agents import work
from starter.agents.work import NothingToDo, counts
from starter.client import Platform, ToolFailed

MOST_CANDIDATES = 8


@dataclass(frozen=True)
class Ground:
    """Where the work starts: the project at a rev, what its tests need, and how they stand."""

    project: str
    rev: int
    survey: Mapping[str, Any]
    before: Mapping[str, Any]

    @property
    def needs(self) -> dict[str, Any]:
        """What every tool that runs the repository's code is given."""
        return {
            "project": self.project,
            "rev": self.rev,
            "packages": self.survey["requirements"],
        }


@dataclass(frozen=True)
class Held:
    """A candidate that the tests don't mind, with its files."""

    candidate: Mapping[str, Any]
    moved: Mapping[str, Any]
    after: Mapping[str, Any]
    turned_down: tuple[dict[str, Any], ...]


def refactor(platform: Platform) -> dict[str, Any]:
    """1. undo what an earlier round of this run wrote; 2. survey; 3. run the tests as they are;
    4. try the candidates in order; 5. write the one that holds, with the decisions."""
    project = platform.input["project"]
    base_rev, rev = _start(platform, project)
    platform.say(doing="surveying the repository")
    survey = platform.call(
        "survey_repository",
        project=project,
        rev=rev,
        module=platform.input.get("module") or None,
        group=platform.input.get("group") or None,
        exclude=_excluded(platform.input),
    )
    if not survey["candidates"]:
        raise NothingToDo("nothing_to_move", _nothing(survey))
    platform.say(doing="running the repository's tests as they are")
    before = platform.call(
        "run_tests",
        project=project,
        rev=rev,
        packages=survey["requirements"],
        distribution=survey["distribution"],
    )
    ground = Ground(project, rev, survey, before)
    held = _first_that_holds(platform, ground)
    written = _write(platform, ground, held)
    return _output(ground, held, base_rev=base_rev, rev=written["rev"])


def _start(platform: Platform, project: str) -> tuple[int, int]:
    """The rev that the run began with, and the rev to work on. A round that people sent back is
    rolled back first, so that the next candidate stands alone."""
    earlier = _earlier_output(platform)
    if earlier is None:
        rev = int(platform.input.get("rev") or platform.project(project)["rev"])
        return rev, rev
    base = int(earlier["base_rev"])
    platform.say(doing=f"rolling back to rev {base}")
    undone = platform.roll_back(
        project, name="rollback", rev=base, reason="Changes were requested; the next candidate."
    )
    return base, int(undone["rev"])


def _earlier_output(platform: Platform) -> Mapping[str, Any] | None:
    if not platform.run_id or not platform.input.get("feedback"):
        return None
    mine = [
        step
        for step in platform.run()["steps"]
        if step["name"] == platform.task.get("step_name") and step.get("output")
    ]
    return max(mine, key=lambda step: step["iteration"])["output"] if mine else None


def _excluded(given: Mapping[str, Any]) -> list[str]:
    """What the request leaves out, and what every round of feedback since has left out."""
    names = list(given.get("exclude") or [])
    feedback = given.get("feedback") or []
    for each in [feedback] if isinstance(feedback, Mapping) else feedback:
        names += (each.get("fields") or {}).get("exclude") or []
    return sorted(set(names))


def _nothing(survey: Mapping[str, Any]) -> str:
    return f"Nothing sensible can be moved: {survey.get('nothing') or 'no candidate was found'}"


def _first_that_holds(platform: Platform, ground: Ground) -> Held:
    turned_down: list[dict[str, Any]] = []
    for candidate in ground.survey["candidates"][:MOST_CANDIDATES]:
        platform.say(doing=f"trying {candidate['group']} of {candidate['module']}")
        outcome = _attempt(platform, ground, candidate)
        if isinstance(outcome, str):
            turned_down.append(_decision(candidate, "rejected", outcome))
            continue
        moved, after = outcome
        return Held(candidate, moved, after, tuple(turned_down))
    reasons = "; ".join(f"{each['decision']}: {each['rationale']}" for each in turned_down)
    raise NothingToDo("nothing_holds", f"Nothing sensible can be moved. Tried: {reasons}")


def _attempt(
    platform: Platform, ground: Ground, candidate: Mapping[str, Any]
) -> str | tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The changed files and the tests with them, or why the candidate won't do."""
    try:
        moved = platform.call(
            "refactor_move",
            **ground.needs,
            module=candidate["module"],
            names=candidate["names"],
            target=candidate["target"],
        )
        after = platform.call(
            "run_tests",
            **ground.needs,
            distribution=ground.survey["distribution"],
            overlay=moved["files"],
        )
    except ToolFailed as error:
        if error.reason in work.PASSING:
            raise
        return str(error)
    before = counts(ground.before)
    if after["failed"] > before["failed"] or after["passed"] < before["passed"]:
        return (
            f"tests went from {before['passed']} passed, {before['failed']} failed "
            f"to {after['passed']} passed, {after['failed']} failed"
        )
    return moved, after


def _decision(candidate: Mapping[str, Any], status: str, rationale: str) -> dict[str, Any]:
    return {
        "decision": (
            f"Move {candidate['group']} of {candidate['module']} to separate module "
            f"{candidate['target']}"
        ),
        "rationale": rationale,
        "status": status,
    }


def _write(platform: Platform, ground: Ground, held: Held) -> dict[str, Any]:
    implemented = _decision(held.candidate, "implemented", str(held.candidate["reason"]))
    return platform.change(
        ground.project,
        name="refactoring",
        base_rev=ground.rev,
        files=dict(_files(held.moved["files"])),
        decisions=[*held.turned_down, implemented],
        status="in_progress",
        next_step=platform.next_step,
        summary=implemented["decision"],
    )


def _files(files: Mapping[str, str | None]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for path, text in files.items():
        yield path, None if text is None else {"content": text}


def _output(ground: Ground, held: Held, *, base_rev: int, rev: int) -> dict[str, Any]:
    return {
        "project": ground.project,
        "base_rev": base_rev,
        "rev": rev,
        "module": held.candidate["module"],
        "target": held.candidate["target"],
        "candidate": {"module": held.candidate["module"], "group": held.candidate["group"]},
        "moved": held.moved["moved"],
        "files": sorted(held.moved["files"]),
        "summary": held.moved["summary"],
        "notes": held.moved.get("notes", []),
        "requirements": ground.survey["requirements"],
        "distribution": ground.survey["distribution"],
        "tests": {"before": counts(ground.before), "after": counts(held.after)},
    }


if __name__ == "__main__":
    work.serve(refactor)
