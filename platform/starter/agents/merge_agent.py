"""merge_agent: commits the approved code and tests on a branch and merges it."""

from typing import Any

from starter.agents import work
from starter.client import Platform


def merge(platform: Platform) -> dict[str, Any]:
    """1. commit and merge the rev that was approved; 2. note it in the project."""
    code = platform.input["modified_code"]
    tests = platform.input["test_cases"]
    platform.say(doing="merging")
    merged = platform.call(
        "git_merge",
        project=code["project"],
        rev=tests["rev"],
        branch=f"gatehouse/{platform.run_id}",
        message=_message(code, tests),
    )
    _note(platform, code["project"], tests["rev"], merged)
    return {
        "repository": merged["repository"],
        "branch": merged["branch"],
        "commit": merged["commit"],
        "merged_into": merged.get("merged_into"),
        "files": merged.get("files", []),
    }


def _message(code: dict[str, Any], tests: dict[str, Any]) -> str:
    return (
        f"Move {code['candidate']['group']} to {code['target']}\n\n"
        f"{code['summary']}\n"
        f"Moved {', '.join(code['moved'][:20])} from {code['module']} to {code['target']}.\n"
        f"Tests: {tests['tests']['after']['passed']} passed, "
        f"{tests['tests']['after']['failed']} failed; {tests['written']} written."
    )


def _note(platform: Platform, project: str, rev: int, merged: dict[str, Any]) -> None:
    platform.change(
        project,
        name="merge",
        base_rev=rev,
        decisions=[
            {
                "decision": f"Merge {merged['branch']}",
                "rationale": f"Approved by review; commit {merged['commit'][:12]}.",
                "status": "implemented",
            }
        ],
        status="done",
        next_step=platform.next_step,
        summary=f"Merged as {merged['commit'][:12]}",
    )


if __name__ == "__main__":
    work.serve(merge)
