"""Execution: the executor runs under the verdict's limits, outside of any transaction."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from kernel import clock, crash, prepared, schemas
from kernel.partial import whatever_the_index
from kernel.prepared import slot
from kernel.problems import Issue

from orchestration.calls import bounds, breakers, cached, leases, retries, revealed, workspaces
from orchestration.calls.case import Admitted
from orchestration.calls.retries import Rule
from orchestration.executors import table
from orchestration.executors.invocation import (
    ExecutorUnavailable,
    Invocation,
    Result,
    failed,
    succeeded,
)
from orchestration.executors.secrets import NONE, Secrets, SecretUnavailable
from orchestration.models import ToolCall
from orchestration.models.calls import LIVE, CallStatus

log = structlog.get_logger(__name__)

PROMPT = timedelta(seconds=5)


@dataclass(frozen=True)
class Executed:
    """An admitted call and what came of it. With `unavailable` or `cached_from` nothing was
    executed."""

    admitted: Admitted
    result: Result
    unavailable: str = ""
    attempts: int = 1
    cached_from: UUID | None = None


def execute(admitted: Admitted) -> Executed:
    """Run the executor: once, or as often as an idempotent tool's contract says.

    1. mark the call as running: whoever doesn't hold its token any more runs nothing;
    2. give a pure tool's result again where it is still fresh;
    3. else run, with the lease renewed meanwhile.
    """
    if not _start(admitted):
        return Executed(admitted, failed("lost", "The call was given up before it began."))
    crash.point("call.running")
    known = cached.found(admitted.case, admitted.decision)
    if known is not None:
        return Executed(admitted, succeeded(known.result), cached_from=known.call_id)
    with leases.renewed(admitted.call.id, admitted.token):
        executed = _executed(admitted)
    crash.point("call.executed")
    return executed


def _executed(admitted: Admitted) -> Executed:
    """1. fetch the secrets; 2. pass the circuit breaker; 3. run, and again where that may help;
    4. tell the breaker; 5. keep whatever came back free of the secrets."""
    case, secrets, passage = admitted.case, NONE, None
    try:
        secrets = revealed.of(admitted)
        passage = breakers.passed(case, float(admitted.limits["timeout"]))
        tried = retries.tried(lambda: _attempt(admitted, secrets), Rule.of(case.contract))
    except (ExecutorUnavailable, SecretUnavailable) as error:
        breakers.let_go(passage)
        told = secrets.scrub(str(error))
        return Executed(admitted, failed("unavailable", told), unavailable=told)
    breakers.record(passage, tried.result, case)
    return Executed(admitted, revealed.scrubbed(tried.told, secrets), attempts=tried.attempts)


def _attempt(admitted: Admitted, secrets: Secrets) -> Result:
    """One run. An executor's bug is a failure with a recorded error, never a stuck row."""
    try:
        return _run(admitted, secrets)
    except (ExecutorUnavailable, SecretUnavailable):
        raise
    except Exception as error:
        log.exception("calls.executor_failed", call=str(admitted.call.id))
        return failed("executor_error", f"{type(error).__name__}: {error}")


_START = prepared.Update(
    lambda: ToolCall.objects.filter(
        whatever_the_index("status", *LIVE),
        id=slot(ToolCall, "id"),
        token=slot(ToolCall, "token"),
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
            limits=admitted.limits,
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
