"""Execution: the executor runs under the verdict's limits, outside of any transaction."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from kernel import clock, crash, prepared, schemas
from kernel.prepared import slot
from kernel.problems import Issue

from orchestration.calls import bounds, leases, revealed, workspaces
from orchestration.calls.case import Admitted
from orchestration.executors import table
from orchestration.executors.invocation import (
    ExecutorUnavailable,
    Invocation,
    Result,
    failed,
)
from orchestration.executors.secrets import NONE, Secrets, SecretUnavailable
from orchestration.models import ToolCall
from orchestration.models.calls import LIVE, CallStatus

log = structlog.get_logger(__name__)

PROMPT = timedelta(seconds=5)


@dataclass(frozen=True)
class Executed:
    """An admitted call and what came of it. With `unavailable` nothing was executed."""

    admitted: Admitted
    result: Result
    unavailable: str = ""


def execute(admitted: Admitted) -> Executed:
    """Run the executor, once.

    1. mark the call as running: whoever doesn't hold its token any more runs nothing;
    2. prepare the workspace, and run, with the lease renewed meanwhile;
    3. an executor's bug is a failure with a recorded error, never a stuck row;
    4. whatever came back is kept free of the secrets that the executor was given.
    """
    if not _start(admitted):
        return Executed(admitted, failed("lost", "The call was given up before it began."))
    crash.point("call.running")
    with leases.renewed(admitted.call.id, admitted.token):
        secrets = NONE
        try:
            secrets = revealed.of(admitted)
            result = _run(admitted, secrets)
        except (ExecutorUnavailable, SecretUnavailable) as error:
            told = secrets.scrub(str(error))
            return Executed(admitted, failed("unavailable", told), unavailable=told)
        except Exception as error:
            log.exception("calls.executor_failed", call=str(admitted.call.id))
            result = failed("executor_error", f"{type(error).__name__}: {error}")
        result = revealed.scrubbed(result, secrets)
    crash.point("call.executed")
    return Executed(admitted, result)


_START = prepared.Update(
    lambda: ToolCall.objects.filter(
        id=slot(ToolCall, "id"), token=slot(ToolCall, "token"), status__in=LIVE
    )
)


def _start(admitted: Admitted) -> bool:
    call, now = admitted.call, clock.now()
    # Admitted as running, and its lease has hardly begun: nobody can have taken it.
    if call.status == CallStatus.RUNNING and now - admitted.case.at < PROMPT:
        return True
    call.started_at = now
    fields = {"status": CallStatus.RUNNING, "started_at": now, "lease_until": now + leases.LEASE}
    return bool(_START.run(fields, id=call.id, token=admitted.token))


def _run(admitted: Admitted, secrets: Secrets) -> Result:
    case, decision = admitted.case, admitted.decision
    with workspaces.prepared(case, decision) as workspace:
        invocation = Invocation(
            call_id=admitted.call.id,
            tool=case.contract.name,
            version=case.contract.version,
            config=case.contract.executor_config,
            arguments=decision.arguments,
            limits=decision.clamped.limits if decision.clamped else case.contract.limits,
            environment=case.environment,
            actor=case.request.actor,
            fixed_packages=case.contract.fixed_packages,
            workspace=workspace,
            team_id=case.team_id,
            run_id=case.request.run_id,
            secrets=secrets,
        )
        result = table.EXECUTORS[case.contract.executor](invocation)
    return checked(result, case.contract.document.get("result_schema"))


def checked(result: Result, schema: dict[str, object] | None) -> Result:
    """The result as it can be stored; one too large or unlike the contract has failed."""
    value = bounds.storable(result.value)
    if value is not None and (taken := bounds.size(value)) > bounds.MAX_RESULT:
        message = f"The result has {taken} bytes; at most {bounds.MAX_RESULT} are kept."
        return Result("failed", error=failed("result_too_large", message).error)
    if schema and result.status == "succeeded":
        found = schemas.faults_of_value(value, schema)
        if found:
            return _unlike(found, value, result)
    return Result(result.status, value, bounds.error(result.error), result.enforcement)


def _unlike(found: tuple[Issue, ...], value: object, result: Result) -> Result:
    error = {
        "reason": "result_invalid",
        "message": "The result isn't as the tool's contract says.",
        "errors": [issue.as_json() for issue in found],
    }
    return Result("failed", value, error, result.enforcement)
