"""Commits a tree's edits on a branch of the managed repository and merges it into another."""

import os
import re
from typing import Any

from .plumbing import Refusal, git, line, serve, tried

REPOSITORY = "/repository"
TREE = "/tree"
BASE = "refs/gatehouse/base"
MODES = ("100644", "100755", "120000")
Request = dict[str, Any]
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")


def answer(request: Request) -> Request:
    branch, into = reference(request["branch"]), reference(request["into"])
    if branch == into:
        raise Refusal("invalid_branch", "The branch and what it is merged into are the same.")
    base = line(REPOSITORY, "rev-parse", "--verify", f"{BASE}^{{commit}}")
    commit = commit_of(request, tree_of(base, request["edits"]), [base])
    merged, updates = merge(commit, branch, into, request)
    if updates:
        git(REPOSITORY, "update-ref", "--stdin", stdin="".join(updates).encode())
    return {
        "branch": request["branch"],
        "commit": merged,
        "merged_into": request["into"],
        "files": sorted(path for path, _ in request["edits"]),
    }


def reference(name: str) -> str:
    full = f"refs/heads/{name}"
    done = tried(REPOSITORY, "check-ref-format", full)
    if not NAME.match(name) or done.returncode != 0:
        raise Refusal("invalid_branch", f"{name!r} is no name of a branch.")
    return full


def tree_of(base: str, edits: list[tuple[str, str | None]]) -> str:
    """The base's tree with the edits, made in an index of its own: nothing is checked out."""
    index = {"GIT_INDEX_FILE": "/workspace/index"}
    git(REPOSITORY, "read-tree", base, extra=index)
    zero = "0" * len(base)
    lines: list[str] = []
    # Taken out first, so that a file may become a folder and a folder a file.
    lines.extend(f"0 {zero}\t{path}" for path, _ in edits)
    for path, mode in edits:
        if mode is not None:
            lines.append(f"{checked(mode)} {blob(path)}\t{path}")
    git(
        REPOSITORY, "update-index", "-z", "--index-info",
        stdin=b"".join(os.fsencode(each) + b"\0" for each in lines), extra=index,
    )  # fmt: skip
    return line(REPOSITORY, "write-tree", extra=index)


def checked(mode: str) -> str:
    if mode not in MODES:
        raise Refusal("invalid_mode", f"{mode!r} is no mode of a file.")
    return mode


def blob(path: str) -> str:
    return line(REPOSITORY, "hash-object", "-w", "--no-filters", "--stdin", stdin=content(path))


def content(path: str) -> bytes:
    """The file's bytes, or where a link points; no folder on the way may be a link."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise Refusal("invalid_path", f"{path!r} leaves the tree.")
    folder = os.open(TREE, os.O_PATH | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        try:
            return os.fsencode(os.readlink(parts[-1], dir_fd=folder))
        except OSError:
            fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
        with os.fdopen(fd, "rb") as file:
            return file.read()
    except OSError as error:
        raise Refusal("invalid_path", f"{path!r} can't be read: {error.strerror}.") from None
    finally:
        os.close(folder)


def commit_of(request: Request, tree: str, parents: list[str]) -> str:
    name = re.sub(r"[\x00-\x1f<>]", "", request["author"]).strip() or "gatehouse"
    person = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}@gatehouse.invalid",
        "GIT_AUTHOR_DATE": request["date"],
        "GIT_COMMITTER_NAME": "Gatehouse",
        "GIT_COMMITTER_EMAIL": "gatehouse@gatehouse.invalid",
        "GIT_COMMITTER_DATE": request["date"],
    }
    asked = [word for parent in parents for word in ("-p", parent)]
    message = request["message"].replace("\0", "").rstrip() + "\n"
    return line(REPOSITORY, "commit-tree", tree, *asked, stdin=message.encode(), extra=person)


def merge(commit: str, branch: str, into: str, request: Request) -> tuple[str, list[str]]:
    """The commit that both branches come to, and the updates of references that do it."""
    zero = "0" * len(commit)
    there, target = head(branch), head(into)
    if target is None:
        raise Refusal("unknown_branch", f"There is no branch {request['into']!r} to merge into.")
    done = there is not None and (there == commit or second_parent(there) == commit)
    if there is not None and not done:
        raise Refusal("branch_taken", f"Branch {request['branch']!r} holds another commit.")
    if there is not None and is_ancestor(there, target):
        return there, []
    merged = commit
    if not is_ancestor(target, commit):
        merged = commit_of(request, three_way(target, commit), [target, commit])
    return merged, [
        f"update {branch} {merged} {there or zero}\n",
        f"update {into} {merged} {target}\n",
    ]


def head(name: str) -> str | None:
    done = tried(REPOSITORY, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return done.stdout.decode().strip() or None


def second_parent(commit: str) -> str | None:
    done = tried(REPOSITORY, "rev-parse", "--verify", "--quiet", f"{commit}^2")
    return done.stdout.decode().strip() or None


def is_ancestor(one: str, other: str) -> bool:
    done = tried(REPOSITORY, "merge-base", "--is-ancestor", one, other)
    return done.returncode == 0


def three_way(target: str, commit: str) -> str:
    done = tried(
        REPOSITORY, "merge-tree", "--write-tree", "--name-only", "--no-messages", "-z",
        target, commit)  # fmt: skip
    words = done.stdout.decode(errors="replace").split("\0")
    if done.returncode == 0:
        return words[0].strip()
    if done.returncode == 1:
        paths = sorted({word for word in words[1:] if word})
        raise Refusal(
            "merge_conflict", f"Both sides changed {', '.join(paths[:10])}.", paths=paths[:200]
        )
    said = done.stderr.decode(errors="replace").strip()[-500:]
    raise Refusal("git_failed", f"git merge-tree failed (it needs git 2.38 or later): {said}")


if __name__ == "__main__":
    serve(answer)
