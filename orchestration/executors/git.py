"""Git operations on a project's managed repository, in the sandbox and by plumbing only."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestration.executors import sandboxed
from orchestration.executors.invocation import Invocation, Result, Workspace, failed, succeeded
from orchestration.sandbox import Bind, Job

PROGRAMS = Path(__file__).resolve().parent / "programs"
AT = "/gatehouse/programs"
REPOSITORY = "/repository"


def program(name: str) -> tuple[str, ...]:
    """The command that runs one of our own programs inside, apart from anything it finds there."""
    start = (
        "import runpy, sys; sys.path.insert(0, '/gatehouse'); "
        f"runpy.run_module('programs.{name}', run_name='__main__')"
    )
    return ("python3", "-I", "-B", "-c", start)


def execute(invocation: Invocation) -> Result:
    """Do `config.operation`; there is `merge`. Raises ExecutorUnavailable."""
    if invocation.config.get("operation") != "merge" or invocation.workspace is None:
        return failed("unknown_operation", "`operation` is `merge`.")
    return merge(invocation, invocation.workspace)


def merge(invocation: Invocation, workspace: Workspace) -> Result:
    """Commit the project's rev on a branch and merge that into another.

    Arguments `{branch, message, into?}`; the result is `{repository, branch, commit, merged_into,
    files}`. The commit is made of the rev alone, its dates included, so that a repeat makes the
    same one. `into` is the imported branch unless it says otherwise.
    """
    if workspace.repository is None or workspace.tree is None:
        return failed("no_repository", f"Project {workspace.project} has no repository.")
    allowed = sandboxed.limits(invocation)
    outcome = sandboxed.run(
        Job(
            argv=program("merge"),
            stdin=json.dumps(_request(invocation, workspace)).encode(),
            binds=(
                Bind(PROGRAMS, AT),
                Bind(workspace.repository, REPOSITORY, writable=True),
                Bind(workspace.tree, sandboxed.TREE),
            ),
            limits=allowed,
        ),
        team_id=invocation.team_id,
    )
    held = sandboxed.enforcement(outcome)
    bad = sandboxed.ended_badly(outcome, allowed)
    if bad is not None:
        return replace(bad, enforcement=held)
    answer = answered(outcome.stdout, outcome.exit_code, outcome.stderr)
    return replace(_result(answer, workspace), enforcement=held)


def _request(invocation: Invocation, workspace: Workspace) -> dict[str, Any]:
    moment = workspace.revised_at
    return {
        "branch": invocation.arguments["branch"],
        "into": invocation.arguments.get("into") or workspace.branch,
        "message": invocation.arguments["message"],
        "author": invocation.actor.name,
        "date": f"{int(moment.timestamp())} +0000",
        "edits": [[edit.path, edit.mode] for edit in workspace.edits],
    }


def answered(stdout: bytes, exit_code: int | None, stderr: bytes) -> Mapping[str, Any]:
    """What one of our programs answered: `{…}` or `{error: {reason, message}}`."""
    try:
        found = json.loads(stdout)
    except ValueError:
        found = None
    if exit_code == 0 and isinstance(found, dict):
        return found
    said = sandboxed.text(stderr).strip()[-2_000:]
    return {"error": {"reason": "git_failed", "message": said or f"git ended with {exit_code}."}}


def _result(answer: Mapping[str, Any], workspace: Workspace) -> Result:
    fault = answer.get("error")
    if fault:
        more = {k: v for k, v in fault.items() if k not in ("reason", "message")}
        return failed(fault["reason"], fault["message"], **more)
    return succeeded({"repository": str(workspace.repository)} | dict(answer))
