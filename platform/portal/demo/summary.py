"""What a run came to, as the one JSON document that `make demo` ends with."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]
STEPS = ("refactor_agent", "test_agent", "human_review", "merge_agent")
REFUSED = {"refused", "cancelled"}


def of(
    run: Json, project: Json, calls: Sequence[Json], *, url: str, repository: str | None
) -> dict[str, Any]:
    """The summary. `repository` is where the merged branch was brought to, if anywhere."""
    steps = [_step(name, run["steps"]) for name in STEPS]
    refactored, tested = _output(run, "refactor_agent"), _output(run, "test_agent")
    return {
        "run": run["id"],
        "status": run["status"],
        "reason": run.get("reason", ""),
        "url": url,
        "steps": steps,
        "files_changed": sorted({*refactored.get("files", []), *tested.get("files", [])}),
        "tests": _tests(refactored, tested),
        "tool_calls": _tool_calls(calls),
        "decisions": [
            {key: each[key] for key in ("timestamp", "agent", "decision", "status")}
            for each in project["decisions"]
        ],
        "cost": run["cost"],
        "merge": _merge(_output(run, "merge_agent"), repository),
    }


def of_failure(reason: str) -> dict[str, Any]:
    """The same document where there was no run, or none that could be followed to its end."""
    nothing: dict[str, Any] = {"id": None, "status": "failed", "reason": reason, "steps": []}
    return of(nothing | {"cost": "0.00"}, {"decisions": []}, [], url="", repository=None)


def _step(name: str, steps: Sequence[Json]) -> dict[str, Any]:
    mine = sorted((s for s in steps if s["name"] == name), key=lambda s: s["iteration"])
    if not mine:
        return {"name": name, "status": "pending", "attempts": 0, "seconds": 0.0}
    return {
        "name": name,
        "status": mine[-1]["status"],
        "attempts": sum(_attempts(step) for step in mine),
        "seconds": round(sum(_seconds(step) for step in mine), 3),
    }


def _attempts(step: Json) -> int:
    """A gate is attempted once whenever it was put to people."""
    return int(step["attempt"]) or int(step.get("started_at") is not None)


def _seconds(step: Json) -> float:
    if not step.get("started_at") or not step.get("finished_at"):
        return 0.0
    began = datetime.fromisoformat(step["started_at"])
    return (datetime.fromisoformat(step["finished_at"]) - began).total_seconds()


def _output(run: Json, name: str) -> Json:
    """The output of the step's last iteration that has one."""
    done = [s for s in run["steps"] if s["name"] == name and s.get("output")]
    return max(done, key=lambda s: s["iteration"])["output"] if done else {}


def _tests(refactored: Json, tested: Json) -> dict[str, Any]:
    nothing = {"passed": 0, "failed": 0}
    known = refactored.get("tests", {"before": nothing, "after": nothing})
    after = tested.get("tests", known)
    return {
        "before": known["before"],
        "after": after["after"],
        "written": int(tested.get("written", 0)),
    }


def _tool_calls(calls: Sequence[Json]) -> dict[str, int]:
    """Every call is one of three: refused, let through by a person, or allowed."""
    denied = sum(call["status"] in REFUSED for call in calls)
    approved = sum(bool(call.get("approval")) and call["status"] not in REFUSED for call in calls)
    return {
        "total": len(calls),
        "allowed": len(calls) - denied - approved,
        "approved": approved,
        "denied": denied,
    }


def _merge(merged: Json, repository: str | None) -> dict[str, Any] | None:
    if not merged:
        return None
    return {
        "repository": repository or merged["repository"],
        "branch": merged["branch"],
        "commit": merged["commit"],
    }
