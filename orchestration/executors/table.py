"""The one table of executors."""

from collections.abc import Callable

from orchestration.executors import command, context, git, http, mcp, python, sql
from orchestration.executors.invocation import Invocation, Result

Executor = Callable[[Invocation], Result]

EXECUTORS: dict[str, Executor] = {
    "python": python.execute,
    "command": command.execute,
    "git": git.execute,
    "http": http.execute,
    "mcp": mcp.execute,
    "sql": sql.execute,
    "context": context.execute,
}

SANDBOXED = frozenset({"python", "command", "git"})
