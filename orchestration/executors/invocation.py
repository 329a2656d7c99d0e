"""What an executor is given and what it gives back: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from kernel.actor import Actor

from orchestration.executors.secrets import NONE, Secrets

Status = Literal["succeeded", "failed", "timed_out"]

MAX_MESSAGE = 4_000


@dataclass(frozen=True)
class Edit:
    """A path that a rev changed since the import. Without a mode the path is gone."""

    path: str
    mode: str | None


@dataclass(frozen=True)
class Workspace:
    """A project at one rev, prepared for an executor.

    `tree` is a read-only directory of its files; `repository` is the managed bare repository, and
    `edits` are the paths that differ from what was imported into it.
    """

    project_id: UUID
    project: str
    rev: int
    revised_at: datetime
    tree: Path | None = None
    repository: Path | None = None
    branch: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Invocation:
    """One execution of a tool version.

    `limits` are the effective ones in canonical units: timeout (seconds), cpu, memory, disk and
    output (bytes), processes, rows, network, packages (patterns that bound what may be asked for).
    `secrets.fill` fills the placeholders of a part of `config`; call it last, and never with
    anything that came from `arguments`.
    """

    call_id: UUID
    tool: str
    version: str
    config: Mapping[str, Any]
    arguments: Mapping[str, Any]
    limits: Mapping[str, Any]
    environment: str
    actor: Actor
    fixed_packages: tuple[str, ...] = ()
    workspace: Workspace | None = None
    team_id: UUID | None = None
    run_id: UUID | None = None
    secrets: Secrets = NONE


@dataclass(frozen=True)
class Result:
    """What came of it. `value` is JSON, `error` is `{reason, message, …}`; `enforcement` says what
    held the limits."""

    status: Status
    value: Any = None
    error: Mapping[str, Any] | None = None
    enforcement: Mapping[str, Any] = field(default_factory=dict)


class ExecutorUnavailable(Exception):
    """Nothing was executed and nothing has changed; the message names the next step."""


def succeeded(value: Any, **enforcement: Any) -> Result:
    return Result("succeeded", value=value, enforcement=enforcement)


def failed(reason: str, message: str, **more: Any) -> Result:
    """A failure with a stable reason and a message for people, cut to a bounded length."""
    return Result("failed", error={"reason": reason, "message": message[:MAX_MESSAGE]} | more)


def timed_out(message: str) -> Result:
    return Result("timed_out", error={"reason": "timed_out", "message": message[:MAX_MESSAGE]})
