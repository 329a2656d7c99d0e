"""Copies what HEAD of a hostile repository reaches into a fresh bare one, and lists its files.

The repository at /source is only a store of objects: none of its configuration is read, no hook or
filter of it runs, nothing in it is written.
"""

import json
from typing import Any

from . import gitdir
from .plumbing import Refusal, git, line, serve, tried

REPOSITORY = "/repository"
OUT = "/out"
# Path, mode, object, size.
Listed = tuple[str, str, str, int]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    commit, branch = gitdir.head()
    branch = branch or "main"
    kind = "sha256" if len(commit) == 64 else "sha1"
    copy(commit, kind)
    git(REPOSITORY, "update-ref", f"refs/heads/{branch}", commit)
    git(REPOSITORY, "update-ref", "refs/gatehouse/base", commit)
    git(REPOSITORY, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    date = line(REPOSITORY, "show", "-s", "--no-show-signature", "--format=%ct", commit)
    files, skipped = listed(commit, request["file_bytes"])
    write(files)
    return {"commit": commit, "branch": branch, "date": int(date or 0), "skipped": skipped}


def copy(commit: str, kind: str) -> None:
    """Take over what the commit reaches, from objects that are only borrowed for it."""
    git(REPOSITORY, "init", "--quiet", "--bare", "--template=", f"--object-format={kind}")
    left_out = gitdir.shallow()
    if left_out:
        with open(f"{REPOSITORY}/shallow", "w") as file:
            file.write("".join(f"{each}\n" for each in left_out))
    borrowed = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{gitdir.SOURCE}/objects"}
    found = tried(REPOSITORY, "cat-file", "-t", commit, extra=borrowed)
    if found.stdout.strip() != b"commit":
        raise Refusal(
            "incomplete",
            f"Commit {commit} isn't among its objects. A clone that borrows objects "
            "(--shared, --reference) or leaves some out (--filter) has to be made whole first.",
        )
    words = ["--revs", "--quiet", "--delta-base-offset", "--threads=1", "--shallow"]
    pack = f"{REPOSITORY}/objects/pack/pack"
    wanted = f"{commit}\n".encode()
    try:
        git(REPOSITORY, "pack-objects", *words, pack, stdin=wanted, extra=borrowed)
    except Refusal as refusal:
        raise Refusal("incomplete", f"Its history is damaged or incomplete. {refusal}") from None


def listed(commit: str, limit: int) -> tuple[list[Listed], list[tuple[str, str]]]:
    """(files, skipped): what the commit's tree holds as [path, mode, object, size]."""
    files: list[Listed] = []
    skipped: list[tuple[str, str]] = []
    raw = git(REPOSITORY, "ls-tree", "-r", "-z", "--long", "--full-tree", commit)
    for entry in filter(None, raw.split(b"\0")):
        told, _, name = entry.partition(b"\t")
        mode, kind, found, size = told.decode("ascii", errors="replace").split()
        try:
            path = name.decode("utf-8")
        except UnicodeDecodeError:
            skipped.append((name.decode(errors="replace"), "its name is no UTF-8"))
            continue
        if kind != "blob":
            skipped.append((path, "it is a submodule"))
        elif int(size) > limit:
            skipped.append((path, f"it has {size} bytes, over {limit}"))
        else:
            files.append((path, plain(mode), found, int(size)))
    return files, skipped


def plain(mode: str) -> str:
    if mode == "120000":
        return mode
    return "100755" if int(mode, 8) & 0o100 else "100644"


def write(files: list[Listed]) -> None:
    """The files' list and, one after the other, their content."""
    wanted = "".join(f"{found}\n" for _, _, found, _ in files).encode()
    raw = git(REPOSITORY, "cat-file", "--batch", "--buffer", stdin=wanted)
    place = 0
    with open(f"{OUT}/content", "wb") as content:
        for _, _, _, size in files:
            place = raw.index(b"\n", place) + 1
            content.write(raw[place : place + size])
            place += size + 1
    with open(f"{OUT}/files.json", "w") as file:
        json.dump([[path, mode, size] for path, mode, _, size in files], file)


if __name__ == "__main__":
    serve(answer)
