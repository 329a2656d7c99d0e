"""What may be tried again is, as often as the contract says; nothing else is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from orchestration.calls import retries
from orchestration.calls.retries import Rule
from orchestration.executors.invocation import (
    ExecutorUnavailable,
    Result,
    failed,
    succeeded,
    timed_out,
)

DOWN = failed("request_failed", "connection refused")


def sequence(*outcomes: Result | Exception) -> Callable[[], Result]:
    left: Iterator[Result | Exception] = iter(outcomes)

    def once() -> Result:
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return once


def tried(rule: Rule, *outcomes: Result | Exception) -> retries.Tried:
    return retries.tried(sequence(*outcomes), rule, sleep=lambda _: None)


def test_a_transient_failure_is_tried_again_until_it_succeeds() -> None:
    found = tried(Rule(attempts=3), DOWN, timed_out("slow"), succeeded(1))
    assert found.result.status == "succeeded"
    assert found.attempts == 3
    assert [each["status"] for each in found.before] == ["failed", "timed_out"]


def test_the_last_failure_is_the_answer() -> None:
    found = tried(Rule(attempts=2), DOWN, failed("request_failed", "still down"))
    assert found.result.error == {"reason": "request_failed", "message": "still down"}
    assert found.attempts == 2


def test_what_the_caller_did_wrong_is_not_tried_again() -> None:
    found = tried(Rule(attempts=3), failed("exit_code", "bug"))
    assert found.attempts == 1


@pytest.mark.parametrize(("status", "again"), [(404, False), (429, True), (500, True), (503, True)])
def test_an_http_answer_counts_by_its_status(status: int, again: bool) -> None:
    answer = replace(failed("http_status", "no"), value={"status": status})
    assert retries.is_transient(answer) is again


def test_the_contract_may_name_what_to_try_again_after() -> None:
    rule = Rule(attempts=2, on=frozenset({"exit_code"}))
    assert tried(rule, failed("exit_code", "flaky"), succeeded(1)).attempts == 2
    assert tried(rule, DOWN).attempts == 1


def test_unavailable_is_raised_only_where_nothing_was_executed() -> None:
    away = ExecutorUnavailable("no sandbox")
    with pytest.raises(ExecutorUnavailable):
        tried(Rule(attempts=2), away, away)
    found = tried(Rule(attempts=2), DOWN, away)
    assert found.result is DOWN
    assert found.attempts == 1


def test_pauses_grow_and_stay_below_their_bound() -> None:
    rule = Rule(attempts=5, backoff=0.5)
    for attempt, longest in ((1, 0.5), (2, 1.0), (4, 4.0)):
        assert all(0 <= rule.pause(attempt) <= longest for _ in range(50))
    assert rule.seconds(10) == 5 * 10 + 0.5 + 1 + 2 + 4


class _Contract:
    def __init__(self, *, idempotent: bool, retry: dict[str, Any]) -> None:
        self.idempotent, self.retry = idempotent, retry

    def said(self, _: str) -> dict[str, Any]:
        return self.retry


def test_only_idempotent_tools_are_tried_again() -> None:
    asked = {"attempts": 4}
    assert Rule.of(_Contract(idempotent=False, retry=asked)).attempts == 1  # type: ignore[arg-type]
    assert Rule.of(_Contract(idempotent=True, retry=asked)).attempts == 4  # type: ignore[arg-type]
    assert Rule.of(_Contract(idempotent=True, retry={})).attempts == 1  # type: ignore[arg-type]
