"""What is stored, returned and shown of a call: as policy masks it.

Arguments are masked from the first row on. A call that waits for people needs the real ones again:
until it has ended they are kept beside the masked ones, encrypted, and nobody is shown them, the
reviewers included. What they approve is bound to the real ones by its digest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from kernel import ciphers
from kernel.problems import Issue

from governance import redaction
from governance.verdicts import Verdict
from orchestration.calls import bounds
from orchestration.calls.outcomes import No
from orchestration.executors.invocation import Result
from orchestration.models import ToolCallPayload

Counts = dict[str, int]


@dataclass(frozen=True)
class Shown:
    """What may be stored of an execution; `counts` says how often what was masked, by side."""

    arguments: Any
    result: Any
    error: Any
    counts: dict[str, Counts] = field(default_factory=dict)


def arguments(given: Any, verdict: Verdict) -> tuple[Any, Counts]:
    """The arguments as they may be shown, and the counts."""
    return redaction.masked(given, verdict.redactions.get("arguments", ()))


def result(value: Any, verdict: Verdict) -> tuple[Any, Counts]:
    """A result as it may be shown, and the counts."""
    return redaction.masked(value, verdict.redactions.get("results", ()))


def counted(verdict: Verdict, given: Any) -> dict[str, Counts]:
    """What a call's row says when it is written."""
    _, counts = arguments(given, verdict)
    return {"arguments": counts} if counts else {}


def shown(given: Mapping[str, Any], executed: Result, verdict: Verdict) -> Shown:
    """The arguments, the result and the error of an execution, masked.

    An error is no result with places: what patterns find in it is masked, and what was masked of
    the arguments, because errors like to repeat them.
    """
    masked, of_arguments = arguments(dict(given), verdict)
    value, of_result = result(executed.value, verdict)
    patterns = [each for each in _results(verdict) if each[0] not in "/$"]
    error, of_error = redaction.masked(executed.error, patterns)
    error = _without(error, redaction.concealed(given, _arguments(verdict)))
    for name, count in of_error.items():
        of_result[name] = of_result.get(name, 0) + count
    counts = {"arguments": of_arguments, "results": of_result}
    return Shown(
        arguments=bounds.kept(masked, _how(verdict)),
        result=value,
        error=error,
        counts={side: each for side, each in counts.items() if each},
    )


def told(no: No, given: Any, verdict: Verdict) -> No:
    """The "no" with its sentences masked: they may repeat the arguments."""
    specs = _arguments(verdict)
    if not specs:
        return no
    concealed = redaction.concealed(given, specs)

    def masked(text: str) -> str:
        return str(_without(redaction.masked_text(text, specs), concealed))

    errors = tuple(Issue(masked(issue.pointer), masked(issue.message)) for issue in no.errors)
    return No(no.reason, masked(no.detail), errors=errors, extra=no.extra)


def payload(
    call_id: UUID, given: Mapping[str, Any], verdict: Verdict, *, parked: bool
) -> ToolCallPayload:
    """The payload's first form: masked, and for a parked call the real arguments encrypted."""
    real = dict(given)
    masked, _ = arguments(real, verdict)
    stored = bounds.kept(masked, _how(verdict))
    row = ToolCallPayload(call_id=call_id, arguments=stored)
    if parked and stored != real:
        sealed = ciphers.seal(json.dumps(real))
        row.sealed, row.sealed_key = sealed.ciphertext, sealed.key
    return row


def real(row: ToolCallPayload) -> Any:
    """The arguments that a parked call will run with. Raises ciphers.KeyFault."""
    return json.loads(ciphers.opened(row.sealed)) if row.sealed else row.arguments


def forget(call_id: UUID) -> None:
    """Delete the real arguments of a call that has ended, or that never waited."""
    rows = ToolCallPayload.objects.filter(call_id=call_id).exclude(sealed="")
    rows.update(sealed="", sealed_key="")


def _how(verdict: Verdict) -> str:
    return str(verdict.obligations.get("payloads", "full"))


def _arguments(verdict: Verdict) -> tuple[str, ...]:
    return tuple(verdict.redactions.get("arguments", ()))


def _results(verdict: Verdict) -> tuple[str, ...]:
    return tuple(verdict.redactions.get("results", ()))


def _without(value: Any, concealed: frozenset[str]) -> Any:
    if not concealed:
        return value
    if isinstance(value, str):
        for text in sorted(concealed, key=len, reverse=True):
            value = value.replace(text, redaction.MASK)
        return value
    if isinstance(value, Mapping):
        return {name: _without(item, concealed) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, concealed) for item in value]
    return value
