"""The secrets that one call's executor is given, and what comes back without them."""

from dataclasses import replace

from orchestration import disclosure
from orchestration.calls.case import Admitted
from orchestration.executors.invocation import Result
from orchestration.executors.secrets import NONE, Secrets, SecretUnavailable
from registry import secrets

# The caller writes the program, or it needs none.
NEVER = frozenset({"python", "git", "context"})


def of(admitted: Admitted) -> Secrets:
    """The secrets that the tool's configuration names: all of them, or none and an error.

    Raises SecretUnavailable, which names them, and nothing is executed.
    """
    contract, tool = admitted.case.contract, admitted.case.version.tool
    wanted = secrets.names(contract.executor_config)
    if not wanted:
        return NONE
    if contract.executor in NEVER:
        raise SecretUnavailable(
            f"Tool {tool} is of a kind ({contract.executor}) that is given no secrets: take "
            f"{' and '.join(sorted(wanted))} out of its configuration."
        )
    try:
        values = secrets.load(tool, wanted)
    except secrets.NotGranted as error:
        raise SecretUnavailable(str(error)) from error
    disclosure.record(values, tool)
    return Secrets(values)


def scrubbed(result: Result, used: Secrets) -> Result:
    """The result without the secrets."""
    if not used:
        return result
    return replace(
        result,
        value=used.scrub(result.value),
        error=used.scrub(result.error),
        enforcement=used.scrub(result.enforcement),
    )
