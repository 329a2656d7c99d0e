"""Numbered points at which tests kill the process, to prove that nothing rests on luck.

Without `GATEHOUSE_CRASH_AT` a point costs one comparison. It takes `GATEHOUSE_TESTING=1` beside it,
so that no production process can be told to die.
"""

import os
import signal


def _armed() -> int:
    value = os.environ.get("GATEHOUSE_CRASH_AT", "")
    testing = os.environ.get("GATEHOUSE_TESTING") == "1"
    return int(value) if testing and value.isdecimal() else 0


_remaining = _armed()


def arm(passages: int) -> None:
    """Die at the `passages`-th point from now on; 0 disarms. For tests that fork."""
    global _remaining
    _remaining = passages if os.environ.get("GATEHOUSE_TESTING") == "1" else 0


def point(name: str) -> None:
    """A place between two effects. Dies here, without any cleaning up, when its number has come."""
    global _remaining
    if not _remaining:
        return
    _remaining -= 1
    if _remaining == 0:
        os.write(2, f"crash at {name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
