"""Reads and writes a project's files through the context app's public functions.

The one executor that touches the database. The call's id is the changeset's unique key: repeated it
writes once, and recovery can tell whether it wrote.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from kernel.problems import Problem

from context import changesets, files
from context.proposals import FileChange
from orchestration.executors.invocation import Invocation, Result, Workspace, failed, succeeded


def execute(invocation: Invocation) -> Result:
    """Do `config.operation`. What the context refuses is a failure with its reason and figures."""
    operation = OPERATIONS.get(str(invocation.config.get("operation")))
    if operation is None or invocation.workspace is None:
        known = ", ".join(OPERATIONS)
        return failed("unknown_operation", f"`operation` is one of {known}.")
    try:
        return operation(invocation, invocation.workspace)
    except Problem as problem:
        more = {k: v for k, v in problem.as_json().items() if k not in ("detail", "reason")}
        return failed(problem.reason, problem.detail, **more)


def read_file(invocation: Invocation, workspace: Workspace) -> Result:
    """`{path}` to `{path, rev, version, mode, sha256, size, encoding, content, …}`; content that is
    no UTF-8 comes as base64. The read ledger notes it."""
    path = str(invocation.arguments["path"])
    reader = invocation.run_id or invocation.actor.id
    version, content = files.read(
        workspace.project_id, path, at_rev=workspace.rev, reader_id=reader
    )
    limit = int(invocation.limits["output"])
    if len(content) > limit:
        return failed("output_exceeded", f"{path} has {len(content)} bytes; at most {limit} fit.")
    encoding, text = _encoded(content)
    return succeeded(
        {
            "project": workspace.project,
            "path": path,
            "rev": workspace.rev,
            "version": version.version,
            "mode": version.mode,
            "modified_by": version.modified_by,
            "sha256": version.blob_id,
            "size": len(content),
            "encoding": encoding,
            "content": text,
        }
    )


def _encoded(content: bytes) -> tuple[str, str]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "base64", base64.b64encode(content).decode()
    # PostgreSQL keeps no NUL in JSON.
    return ("utf-8", text) if "\0" not in text else ("base64", base64.b64encode(content).decode())


def write_file(invocation: Invocation, workspace: Workspace) -> Result:
    """`{path, content, encoding?, base_rev?, expected_version?, summary?}` to `{path, rev, …}`.

    Without `base_rev` or `expected_version` the read ledger says what the writer has seen.
    """
    arguments = invocation.arguments
    path = str(arguments["path"])
    try:
        content = _decoded(arguments)
    except (ValueError, binascii.Error) as error:
        return failed("invalid_content", f"The content is no base64: {error}.")
    changeset = changesets.apply(
        workspace.project_id,
        base_rev=arguments.get("base_rev"),
        by=invocation.actor,
        files={path: FileChange(content, expected_version=arguments.get("expected_version"))},
        summary=str(arguments.get("summary") or f"Write {path}"),
        call_id=invocation.call_id,
        run_id=invocation.run_id,
    )
    version, _ = files.read(workspace.project_id, path, at_rev=changeset.rev)
    return succeeded(
        {
            "project": workspace.project,
            "path": path,
            "rev": changeset.rev,
            "version": version.version,
            "sha256": version.blob_id,
        }
    )


def _decoded(arguments: Mapping[str, Any]) -> bytes:
    content = str(arguments["content"])
    if arguments.get("encoding") == "base64":
        return base64.b64decode(content, validate=True)
    return content.encode()


OPERATIONS: dict[str, Callable[[Invocation, Workspace], Result]] = {
    "read_file": read_file,
    "write_file": write_file,
}
