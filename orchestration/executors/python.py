"""Runs Python code in the sandbox: the article's `execute_python`."""

from dataclasses import replace

from orchestration.executors import sandboxed
from orchestration.executors.invocation import Invocation, Result, failed, succeeded
from orchestration.sandbox import Job, Outcome, layers

CODE = "/code/main.py"


def execute(invocation: Invocation) -> Result:
    """Run `arguments.code`; the result is `{stdout, stderr, exit_code, duration}`.

    A program that ends with another exit code than 0 has failed, and its output is kept.
    Raises ExecutorUnavailable.
    """
    allowed = sandboxed.limits(invocation)
    try:
        extra = sandboxed.packages(invocation)
    except layers.PackageRefused as error:
        return failed("package_refused", str(error))
    except layers.PackageUnavailable as error:
        return failed("package_unavailable", str(error))
    job = Job(
        argv=("python3", CODE),
        env={"PYTHONPATH": sandboxed.LAYER} if extra else {},
        binds=extra,
        files={CODE: str(invocation.arguments["code"]).encode()},
        limits=allowed,
        repeats=True,
    )
    outcome = sandboxed.run(job, team_id=invocation.team_id)
    value = _value(outcome)
    bad = sandboxed.ended_badly(outcome, allowed) or _exited(outcome, value)
    return replace(bad, value=value, enforcement=sandboxed.enforcement(outcome))


def _value(outcome: Outcome) -> dict[str, object]:
    return {
        "stdout": sandboxed.text(outcome.stdout),
        "stderr": sandboxed.text(outcome.stderr),
        "exit_code": outcome.exit_code,
        "duration": round(outcome.wall_seconds, 3),
    }


def _exited(outcome: Outcome, value: dict[str, object]) -> Result:
    if outcome.exit_code == 0:
        return succeeded(value)
    last = sandboxed.text(outcome.stderr).strip().rsplit("\n", 1)[-1]
    return failed("exit_code", f"The code ended with exit code {outcome.exit_code}. {last}".strip())
