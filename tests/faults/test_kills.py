"""kill -9 at many instants: after a restart the run completes, with every step committed once."""

import os
import random
import sys
import time

import pytest

from tests.faults.conftest import Driver

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

KILLED = {"killed": 9}
# Past every lease: the agents', the outbox's and the gates'.
PAST = 120


def assert_sound(driver: Driver, run: str) -> None:
    found = driver("verify", run=run)
    assert found["faults"] == []
    assert (found["status"], found["rows"], found["finished"]) == ("succeeded", 4, 1)
    assert found["succeeded"] == 4
    assert found["handed_on"]


def stride() -> tuple[int, int]:
    """(first, step) of the points to kill at: a third of them, another third each time;
    all of them with FAULTS=all."""
    if os.environ.get("FAULTS") == "all":
        return 1, 1
    first = random.randint(1, 3)
    sys.stdout.write(f"killing at every third point from {first} on\n")
    return first, 3


def test_a_kill_at_any_point_loses_and_doubles_nothing(driver: Driver) -> None:
    point, step = stride()
    kills = 0
    while True:
        run = driver("start")["run"]
        if driver("work", run=run, crash=point) != KILLED:
            break
        kills, point = kills + 1, point + step
        assert driver("work", run=run, ahead=PAST) == {"status": "succeeded"}, point
        assert_sound(driver, run)
    assert kills * step > 40
    assert_sound(driver, run)


@pytest.mark.parametrize("every", [9, 14])
def test_a_process_that_is_killed_again_and_again_gets_there(driver: Driver, every: int) -> None:
    run = driver("start")["run"]
    for restart in range(60):
        answer = driver("work", run=run, crash=every, ahead=restart * PAST)
        if answer != KILLED:
            break
    assert answer == {"status": "succeeded"}
    assert restart > 3
    assert_sound(driver, run)


def test_kills_at_random_moments(driver: Driver) -> None:
    for _ in range(3):
        run = driver("start")["run"]
        for restart in range(3):
            working = driver("work", run=run, ahead=restart * PAST, background=True)
            time.sleep(random.uniform(0, 0.5))
            driver("kill", child=working["child"], pipe=working["pipe"])
        assert driver("work", run=run, ahead=4 * PAST) == {"status": "succeeded"}
        assert_sound(driver, run)


def test_an_agent_that_slept_past_its_lease_is_refused(driver: Driver) -> None:
    run = driver("start")["run"]
    asleep = driver("hold", run=run, stops=True)
    assert asleep["stopped"]
    assert driver("work", run=run, ahead=PAST) == {"status": "succeeded"}
    woken = driver("wake", child=asleep["child"], pipe=asleep["pipe"])
    assert woken == {"claimed": True, "refused": "stale_token"}
    assert driver("verify", run=run)["stale"] == 1
    assert_sound(driver, run)
