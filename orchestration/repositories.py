"""Managed repositories: projects come from git and go back to it.

Somebody else's repository is hostile: it is read as a store of objects, in the sandbox, and no git
command ever runs with its configuration.
"""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from kernel.actor import Actor, acting
from kernel.problems import Conflict, Invalid, Issue, Unavailable

from context import changesets, limits, paths, proposals
from context.models import Changeset, Project
from context.proposals import FileChange
from governance import audit
from orchestration import gitdirs
from orchestration.executors import git, sandboxed
from orchestration.executors.invocation import ExecutorUnavailable
from orchestration.sandbox import Bind, Ending, Job, Limits

SECONDS = 300.0
BYTES = 2 << 30
MEMORY = 2 << 30


@dataclass(frozen=True)
class Imported:
    """What an import left out, beside the changeset that it made: [path, why]."""

    changeset: Changeset
    commit: str
    skipped: tuple[tuple[str, str], ...]


def folder() -> Path:
    """Where the managed repositories are."""
    return Path(settings.VAR) / "repositories"


def import_repository(project: Project, source: Path, *, by: Actor) -> Changeset:
    """Copy the HEAD commit of the repository at `source` and its history into the project's managed
    bare repository, and its files into the context.

    1. copy the objects and list the files, in the sandbox, into a folder of its own;
    2. put that into place; 3. write the files as one changeset of kind `import`, and say on the
    project where its repository is. The source isn't touched.
    Raises Invalid (no repository, nothing to import), Conflict (there is one), Unavailable.
    """
    return import_with_report(project, source, by=by).changeset


def import_with_report(project: Project, source: Path, *, by: Actor) -> Imported:
    """The same, and what was left out of the context (it stays in the commit): submodules, files
    over the context's limit, paths that no project may hold."""
    found = gitdirs.find(source)
    if project.repository:
        raise Conflict(f"Project {project.name} has a repository already: {project.repository}.")
    name = f"{project.name}.git"
    folder().mkdir(parents=True, exist_ok=True)
    draft = folder() / f".{name}.{secrets.token_hex(6)}"
    draft.mkdir(mode=0o755)
    try:
        with tempfile.TemporaryDirectory(prefix="gatehouse-import-") as out:
            answer = _run("import_commit", found, draft, Path(out), {"file_bytes": _largest()})
            files, refused = _files(Path(out))
        _place(draft, folder() / name)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    try:
        changeset = _import(project, name, answer, files, by)
    except BaseException:
        # Nothing says that this repository is the project's, so the next try may have the name.
        shutil.rmtree(folder() / name, ignore_errors=True)
        raise
    skipped = [(path, why) for path, why in [*answer["skipped"], *refused]]
    return Imported(changeset, answer["commit"], tuple(skipped))


def _largest() -> int:
    return limits.IMPORT_FILE_BYTES


def _place(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError as error:
        raise Conflict(f"The repository {target.name} is there already.") from error


def _import(
    project: Project, name: str, answer: Mapping[str, Any], files: dict[str, FileChange], by: Actor
) -> Changeset:
    with transaction.atomic(), acting(by):
        changeset = changesets.apply(
            project.id,
            base_rev=project.rev,
            by=by,
            files=files,
            status="imported",
            summary=f"Import commit {answer['commit'][:12]} of branch {answer['branch']}",
            kind="import",
        )
        project.refresh_from_db()
        project.repository, project.branch = name, answer["branch"]
        project.save(update_fields=["repository", "branch"])
        audit.record(
            "repository.imported",
            target_kind="project",
            target_id=project.id,
            target_name=project.name,
            team_id=project.team_id,
            commit=answer["commit"],
            branch=answer["branch"],
            files=len(files),
            skipped=len(answer["skipped"]),
        )
    return changeset


def _files(out: Path) -> tuple[dict[str, FileChange], list[tuple[str, str]]]:
    """The files that the sandbox listed, and those that the context can't hold."""
    found: dict[str, FileChange] = {}
    refused: list[tuple[str, str]] = []
    with _plain(out / "files.json") as listing:
        entries = json.load(listing)
    with _plain(out / "content") as content:
        for path, mode, size in entries:
            raw = content.read(size)
            why = paths.fault(path) or _link_fault(mode, raw)
            if why:
                refused.append((path, why))
            else:
                found[path] = FileChange(raw, mode)
    return found, refused


def _link_fault(mode: str, raw: bytes) -> str:
    return proposals.link_fault(raw) if mode == "120000" else ""


def _plain(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def fetch_branch(repository: Path, into: Path, branch: str) -> str:
    """Bring a branch of a managed repository into the one at `into`; the commit it names.

    Only a pack of objects and the reference are added there: working tree, index, HEAD, hooks and
    configuration are neither touched nor used. Twice it does nothing. Raises Invalid where there is
    no repository or no such branch, Conflict where another branch bears the name.
    """
    found = gitdirs.find(into)
    with tempfile.TemporaryDirectory(prefix="gatehouse-export-") as out:
        answer = _run("export_branch", found, repository, Path(out), {"branch": branch})
        commit: str = answer["commit"]
        if not answer["there"]:
            _add_pack(found.common, Path(out), answer["pack"])
            _add_reference(found.common, branch, commit)
    return commit


def _run(
    program: str, source: gitdirs.GitDir, repository: Path, out: Path, request: dict[str, Any]
) -> Mapping[str, Any]:
    """The answer of one of our git programs, with the other repository read-only at /source."""
    binds = [
        Bind(git.PROGRAMS, git.AT),
        Bind(source.common, "/source"),
        Bind(repository, git.REPOSITORY, writable=True),
        Bind(out, "/out", writable=True),
    ]
    if source.worktree is not None:
        binds.append(Bind(source.worktree, "/worktree"))
    job = Job(
        argv=git.program(program),
        stdin=json.dumps(request).encode(),
        binds=tuple(binds),
        limits=Limits(
            wall_seconds=SECONDS,
            cpus=2,
            memory_bytes=MEMORY,
            disk_bytes=BYTES,
            file_bytes=BYTES,
            output_bytes=64 << 20,
        ),
    )
    try:
        outcome = sandboxed.run(job)
    except ExecutorUnavailable as error:
        raise Unavailable(str(error)) from error
    if outcome.ending not in (Ending.succeeded, Ending.failed):
        raise Invalid(f"The repository is too large or too slow to read ({outcome.ending}).")
    answer = git.answered(outcome.stdout, outcome.exit_code, outcome.stderr)
    if "error" in answer:
        _refuse(answer["error"])
    return answer


def _refuse(fault: Mapping[str, str]) -> None:
    kind = Conflict if fault["reason"] == "branch_taken" else Invalid
    raise kind(
        f"The repository can't be used: {fault['message']}",
        errors=(Issue("/repository", fault["reason"]),),
    )


@contextmanager
def _opened(top: Path, *parts: str) -> Iterator[int]:
    """A directory below `top` by descriptor, made where it is missing; no link is followed."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    owner = os.fstat(fd)
    try:
        for part in parts:
            try:
                os.mkdir(part, dir_fd=fd)
                _give(part, fd, owner)
            except FileExistsError:
                pass
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    except OSError as error:
        raise Conflict(f"{top} can't be written as git would: {error.strerror}.") from error
    finally:
        os.close(fd)


def _give(name: str, folder_fd: int, owner: os.stat_result) -> None:
    """What we add belongs to whom the repository belongs."""
    if os.geteuid() == 0:
        os.chown(name, owner.st_uid, owner.st_gid, dir_fd=folder_fd, follow_symlinks=False)


def _add_pack(common: Path, out: Path, name: str) -> None:
    owner = common.stat()
    with _opened(common, "objects", "pack") as pack:
        # The index last: git takes a pack into use when its index is there.
        for suffix in ("pack", "idx"):
            with _plain(out / suffix) as source:
                _write(pack, f"pack-{name}.{suffix}", source, owner, mode=0o444)


def _write(fd: int, name: str, source: Any, owner: os.stat_result, *, mode: int) -> None:
    draft = f".{name}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(draft, flags, mode, dir_fd=fd), "wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    _give(draft, fd, owner)
    os.rename(draft, name, src_dir_fd=fd, dst_dir_fd=fd)


def _add_reference(common: Path, branch: str, commit: str) -> None:
    """Write the reference as git does: a lock file that is renamed, never over another."""
    *folders, name = branch.split("/")
    owner = common.stat()
    with _opened(common, "refs", "heads", *folders) as heads:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        lock = os.open(f"{name}.lock", flags, 0o644, dir_fd=heads)
        try:
            with os.fdopen(lock, "w") as file:
                file.write(f"{commit}\n")
            _give(f"{name}.lock", heads, owner)
            os.link(f"{name}.lock", name, src_dir_fd=heads, dst_dir_fd=heads)
        finally:
            os.unlink(f"{name}.lock", dir_fd=heads)
