"""Git by its plumbing, for programs that run inside the sandbox: no configuration but ours, no
hooks, no filters, no submodules, no network."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

SAFE = (
    "[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n"
    "\tattributesFile = /dev/null\n\texcludesFile = /dev/null\n[gc]\n\tauto = 0\n"
    "[maintenance]\n\tauto = false\n[protocol]\n\tallow = never\n[uploadpack]\n"
    "\tpackObjectsHook =\n[commit]\n\tgpgSign = false\n[advice]\n\tdetachedHead = false\n"
    "[init]\n\tdefaultBranch = main\n\ttemplateDir =\n"
)

Extra = dict[str, str] | None
Done = subprocess.CompletedProcess[bytes]


class Refusal(Exception):
    """A "no" with a reason, a sentence for people, and what else helps."""

    def __init__(self, reason: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.reason, self.more = reason, more


def environment() -> dict[str, str]:
    """Only ours: whatever a repository or a machine configures stays out."""
    config = "/workspace/gitconfig"
    if not os.path.exists(config):
        with open(config, "w") as file:
            file.write(SAFE)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {
        **kept,
        "HOME": "/workspace",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": config,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C.UTF-8",
    }


def tried(directory: str, *arguments: str, stdin: bytes = b"", extra: Extra = None) -> Done:
    """One git command on a bare repository, whatever came of it."""
    return subprocess.run(
        ["git", f"--git-dir={directory}", *arguments],
        input=stdin,
        capture_output=True,
        env=environment() | (extra or {}),
        cwd="/workspace",
    )


def git(directory: str, *arguments: str, stdin: bytes = b"", extra: Extra = None) -> bytes:
    """The output of one git command on a bare repository; raises Refusal where it fails."""
    done = tried(directory, *arguments, stdin=stdin, extra=extra)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-1500:]
        raise Refusal("git_failed", f"git {arguments[0]} failed: {said or done.returncode}")
    return done.stdout


def line(directory: str, *arguments: str, stdin: bytes = b"", extra: Extra = None) -> str:
    return git(directory, *arguments, stdin=stdin, extra=extra).decode(errors="replace").strip()


def serve(program: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer the JSON request on standard input with one JSON object."""
    try:
        answer = program(json.loads(sys.stdin.buffer.read() or b"{}"))
    except Refusal as refusal:
        answer = {"error": {"reason": refusal.reason, "message": str(refusal), **refusal.more}}
    sys.stdout.write(json.dumps(answer))
