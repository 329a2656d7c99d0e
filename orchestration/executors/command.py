"""Runs a program of a toolbox in the sandbox: JSON on standard input, JSON as the last line out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import starter

from orchestration.executors import sandboxed
from orchestration.executors.invocation import Invocation, Result, failed, succeeded
from orchestration.sandbox import Bind, Job, Outcome, layers

TOOLBOX = "/toolbox"
TOOLBOXES = {"starter": Path(starter.__file__).resolve().parent / "toolbox"}
# The pipeline's own arguments: the program finds the project at /tree instead.
OWN = frozenset({"project", "rev", "packages"})


def execute(invocation: Invocation) -> Result:
    """Run `config.argv` with the arguments as its request.

    The result is the JSON object on the last line of standard output; one with `error` has failed.
    Raises ExecutorUnavailable.
    """
    toolbox = TOOLBOXES.get(invocation.config.get("toolbox", ""))
    if invocation.config.get("toolbox") and toolbox is None:
        return failed("unknown_toolbox", f"There is no toolbox {invocation.config['toolbox']!r}.")
    try:
        extra = sandboxed.packages(invocation)
    except layers.PackageRefused as error:
        return failed("package_refused", str(error))
    except layers.PackageUnavailable as error:
        return failed("package_unavailable", str(error))
    allowed = sandboxed.limits(invocation)
    outcome = sandboxed.run(
        Job(
            argv=tuple(invocation.config["argv"]),
            stdin=json.dumps(_request(invocation)).encode(),
            env=_environment(invocation) | ({"PYTHONPATH": sandboxed.LAYER} if extra else {}),
            binds=(*_binds(invocation, toolbox), *extra),
            limits=allowed,
            # A tree is another one at each rev, and no program waits with a secret in its hands.
            repeats=invocation.workspace is None and not invocation.secrets,
        ),
        team_id=invocation.team_id,
    )
    result = sandboxed.ended_badly(outcome, allowed) or _answer(outcome)
    if result.status != "succeeded" and result.error is not None:
        tail = sandboxed.text(outcome.stderr)[-2_000:]
        result = replace(result, error={**result.error, "stderr": tail} if tail else result.error)
    return replace(result, enforcement=sandboxed.enforcement(outcome))


def _environment(invocation: Invocation) -> dict[str, str]:
    """The variables of `config.env`, filled: the program may read them, and so may whatever it
    starts. The sandbox has no network, and what is printed is scrubbed."""
    given = invocation.secrets.fill(invocation.config.get("env") or {})
    return {str(name): str(value) for name, value in given.items()}


def _request(invocation: Invocation) -> dict[str, Any]:
    return {name: value for name, value in invocation.arguments.items() if name not in OWN}


def _binds(invocation: Invocation, toolbox: Path | None) -> tuple[Bind, ...]:
    binds = [Bind(toolbox, TOOLBOX)] if toolbox else []
    if invocation.workspace is not None and invocation.workspace.tree is not None:
        binds.append(Bind(invocation.workspace.tree, sandboxed.TREE))
    return tuple(binds)


def _answer(outcome: Outcome) -> Result:
    if outcome.exit_code != 0:
        return failed("exit_code", f"The program ended with exit code {outcome.exit_code}.")
    lines = sandboxed.text(outcome.stdout).strip().rsplit("\n", 1)
    try:
        answer = json.loads(lines[-1])
    except (ValueError, RecursionError) as error:
        return failed("no_answer", f"The last line of its output is no JSON: {error}.")
    if not isinstance(answer, dict):
        return failed("no_answer", "The last line of its output is no JSON object.")
    fault = answer.get("error")
    if not fault:
        return succeeded(answer)
    if isinstance(fault, dict):
        message = str(fault.get("message", "The program answered with an error."))
        more = {k: v for k, v in fault.items() if k not in ("reason", "message")}
        return replace(
            failed(str(fault.get("reason", "program_error"))[:100], message, **more), value=answer
        )
    return replace(failed("program_error", str(fault)), value=answer)
