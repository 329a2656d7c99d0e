"""Calls a tool of an upstream MCP server."""

from orchestration import upstreams
from orchestration.executors.invocation import (
    ExecutorUnavailable,
    Invocation,
    Result,
    failed,
)


def execute(invocation: Invocation) -> Result:
    """Call `config.tool` (the tool's own name where that is empty) of server `config.server`.

    The arguments go through as they were validated. Raises ExecutorUnavailable when the server
    couldn't be asked.
    """
    server = str(invocation.config.get("server") or "")
    if not server:
        return failed("no_server", f"Tool {invocation.tool} names no server in its configuration.")
    try:
        return upstreams.call(
            server,
            str(invocation.config.get("tool") or invocation.tool),
            invocation.arguments,
            seconds=float(invocation.limits["timeout"]),
            most=int(invocation.limits["output"]),
            tool=invocation.tool,
        )
    except upstreams.Unreachable as error:
        raise ExecutorUnavailable(str(error)) from error
