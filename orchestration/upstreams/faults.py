"""The ways in which an upstream fails, each with a stable reason."""


class UpstreamFault(Exception):
    """The upstream didn't do what was asked. `reason` is a word of the call's error."""

    reason = "upstream_failed"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        if reason:
            self.reason = reason


class Unreachable(UpstreamFault):
    """There is no session: nothing was asked of it, so nothing has happened."""

    reason = "upstream_unreachable"


class Late(UpstreamFault):
    """It didn't answer in time."""

    reason = "timed_out"


class Refused(UpstreamFault):
    """The upstream answered with a protocol error."""

    reason = "upstream_error"


class Malformed(UpstreamFault):
    """What it sent is no answer, or more than is taken."""

    reason = "upstream_malformed"
