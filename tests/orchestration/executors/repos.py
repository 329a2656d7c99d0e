"""Git repositories for tests, some of them hostile, and prints of everything in a folder."""

import hashlib
import os
import subprocess
from pathlib import Path

from tests import services

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "alice",
    "GIT_AUTHOR_EMAIL": "alice@example.com",
    "GIT_COMMITTER_NAME": "alice",
    "GIT_COMMITTER_EMAIL": "alice@example.com",
    "GIT_AUTHOR_DATE": "1767225600 +0000",
    "GIT_COMMITTER_DATE": "1767225600 +0000",
}


def git(folder: Path, *arguments: str) -> str:
    services.need("git")
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=ENV, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def make(folder: Path, files: dict[str, str], *, branch: str = "main") -> Path:
    """A repository with one commit of these files."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    return commit(folder, files)


def commit(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "-m", "files")
    return folder


def printed(folder: Path) -> dict[str, str]:
    """Every path below the folder with a digest of its kind, mode and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            content = os.fsencode(os.readlink(path))
        else:
            content = path.read_bytes() if path.is_file() else b""
        status = path.lstat()
        told = f"{status.st_mode:o} {status.st_uid} {hashlib.sha256(content).hexdigest()}"
        found[str(path.relative_to(folder))] = told
    return found


def booby_trapped(folder: Path, trap: Path) -> Path:
    """A repository in which nearly every git command would run a program that touches `trap`."""
    make(folder, {"a.py": "x = 1\n", ".gitattributes": "*.py filter=evil diff=evil merge=evil\n"})
    run = f"touch {trap}"
    hooks = folder / ".git" / "hooks"
    for name in (
        "post-checkout", "pre-commit", "post-commit", "reference-transaction", "post-merge",
        "pre-receive", "update", "post-receive", "post-update", "pre-auto-gc", "post-index-change",
        "fsmonitor-watchman", "post-rewrite", "pre-push",
    ):  # fmt: skip
        hook = hooks / name
        hook.write_text(f"#!/bin/sh\n{run}\n")
        hook.chmod(0o755)
    (folder / "evil.cfg").write_text(f"[core]\n\tpager = {run}\n\tsshCommand = {run}\n")
    (folder / ".git" / "config").write_text(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
        f"\tfsmonitor = {run}\n\teditor = {run}\n\talternateRefsCommand = {run}\n"
        f"\thooksPath = {hooks}\n"
        f'[filter "evil"]\n\tclean = {run}\n\tsmudge = {run}\n\tprocess = {run}\n'
        f'[diff "evil"]\n\ttextconv = {run}\n\tcommand = {run}\n'
        f'[merge "evil"]\n\tdriver = {run}\n'
        f"[uploadpack]\n\tpackObjectsHook = {run}\n"
        f'[remote "origin"]\n\turl = ext::{run}\n\tuploadpack = {run}\n\tpromisor = true\n'
        f"[gpg]\n\tprogram = {run}\n[include]\n\tpath = {folder / 'evil.cfg'}\n"
        f'[url "ext::{run} "]\n\tinsteadOf = /\n[protocol "ext"]\n\tallow = always\n'
    )
    return folder
