"""What the starter agents share: one task from its input to its outcome."""

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from starter.client import Platform, PlatformError, ToolFailed

Work = Callable[[Platform], Mapping[str, Any]]

# The platform or the machine was in the way, not the task: another attempt may succeed.
PASSING = {"unavailable", "rate_limited", "lost", "timed_out", "killed"}


class NothingToDo(Exception):
    """The task can't be done, and trying again won't change that."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def serve(work: Work) -> None:
    """Do the task and report its outcome, whatever it is. Exits 1 when it failed."""
    platform = Platform.from_environment()
    try:
        output = work(platform)
    except NothingToDo as error:
        platform.fail(error.reason, str(error), retryable=False)
    except ToolFailed as error:
        platform.fail(error.reason, str(error), retryable=error.reason in PASSING)
    except PlatformError as error:
        passing = error.status >= 500 or error.reason in PASSING
        platform.fail(error.reason, str(error), retryable=passing)
    except Exception as error:  # noqa: BLE001 - recorded as the task's outcome
        traceback.print_exc()
        platform.fail("agent_error", f"{type(error).__name__}: {error}", retryable=True)
    else:
        platform.complete(output)
        return
    sys.exit(1)


def counts(result: Mapping[str, Any]) -> dict[str, int]:
    """Passed and failed of a test run."""
    return {"passed": int(result["passed"]), "failed": int(result["failed"])}
