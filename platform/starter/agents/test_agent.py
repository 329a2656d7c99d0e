"""test_agent: writes tests for what was moved, each proven against a mutant, and runs all tests."""

from collections.abc import Mapping
from typing import Any

from starter.agents import work
from starter.agents.work import NothingToDo, counts
from starter.client import Platform, ToolFailed


def test(platform: Platform) -> dict[str, Any]:
    """1. write tests for the moved definitions; 2. commit those that earned their place; 3. run the
    repository's tests and the new ones together; 4. hand on nothing that fails more than before."""
    code = platform.input["modified_code"]
    written = _write_tests(platform, code)
    rev = _commit(platform, code, written)
    platform.say(doing="running all tests")
    after = platform.call(
        "run_tests",
        project=code["project"],
        rev=rev,
        packages=code["requirements"],
        distribution=code["distribution"],
    )
    before = code["tests"]["before"]
    if after["failed"] > before["failed"]:
        raise NothingToDo("tests_fail", _worse(before, after))
    return {
        "project": code["project"],
        "base_rev": code["base_rev"],
        "rev": rev,
        "files": sorted(written["files"]),
        "written": written["written"],
        "mutants": written.get("mutants", 0),
        "killed": written.get("killed", {}),
        "dropped": written.get("dropped", [])[:20],
        "tests": {"before": before, "after": counts(after)},
        "output": str(after.get("output", ""))[-20_000:],
    }


def _write_tests(platform: Platform, code: Mapping[str, Any]) -> dict[str, Any]:
    """A repository for which no test can be written is still tested with its own."""
    platform.say(doing=f"writing tests for {code['target']}")
    try:
        return platform.call(
            "generate_tests",
            project=code["project"],
            rev=code["rev"],
            target=code["target"],
            names=code["moved"],
            packages=code["requirements"],
            distribution=code["distribution"],
        )
    except ToolFailed as error:
        if error.reason in work.PASSING:
            raise
        return {"files": {}, "written": 0, "dropped": [{"test": "*", "why": str(error)}]}


def _commit(platform: Platform, code: Mapping[str, Any], written: Mapping[str, Any]) -> int:
    decision = {
        "decision": f"Cover {code['target']} with {written['written']} tests",
        "rationale": (
            f"Each kills at least one of {written.get('mutants', 0)} mutants; "
            f"{len(written.get('dropped', []))} others were dropped."
        ),
        "status": "implemented" if written["written"] else "rejected",
    }
    changeset = platform.change(
        code["project"],
        name="tests",
        base_rev=code["rev"],
        files={path: {"content": text} for path, text in written["files"].items()},
        decisions=[decision],
        status="in_progress",
        next_step=platform.next_step,
        summary=decision["decision"],
    )
    return int(changeset["rev"])


def _worse(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    broken = ", ".join(str(each["test"]) for each in after.get("failures", [])[:5])
    return f"{after['failed']} tests fail where {before['failed']} did before: {broken}"


if __name__ == "__main__":
    work.serve(test)
