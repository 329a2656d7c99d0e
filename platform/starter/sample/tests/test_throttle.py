import pytest

from auth.errors import AccountLocked
from auth.throttle import Throttle


def test_failures_lock_the_account_for_a_while(clock):
    throttle = Throttle(clock, max_failures=2, lock_seconds=60)
    throttle.record_failure("alice")
    throttle.check("alice")
    throttle.record_failure("Alice")
    with pytest.raises(AccountLocked, match="60 seconds"):
        throttle.check("alice")
    clock.advance(61)
    throttle.check("alice")


def test_a_success_forgets_failures(clock):
    throttle = Throttle(clock, max_failures=1)
    throttle.record_failure("alice")
    throttle.forget("alice")
    assert throttle.locked_for("alice") == 0
