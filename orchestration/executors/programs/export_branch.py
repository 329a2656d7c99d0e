"""Packs what a branch of the managed repository has and another repository lacks."""

from typing import Any

from . import gitdir
from .plumbing import Refusal, git, line, serve, tried

REPOSITORY = "/repository"
OUT = "/out"
SCRATCH = "/workspace/scratch.git"


def answer(request: dict[str, Any]) -> dict[str, Any]:
    name = f"refs/heads/{request['branch']}"
    if tried(REPOSITORY, "check-ref-format", name).returncode:
        raise Refusal("invalid_branch", f"{request['branch']!r} is no name of a branch.")
    if tried(REPOSITORY, "rev-parse", "-q", "--verify", name).returncode:
        raise Refusal("unknown_branch", f"There is no branch {request['branch']!r}.")
    commit = line(REPOSITORY, "rev-parse", "--verify", f"{name}^{{commit}}")
    taken = gitdir.read(gitdir.SOURCE, name).strip() or gitdir.packed(name)
    if taken and taken != commit:
        raise Refusal("branch_taken", f"Its branch {request['branch']!r} holds another commit.")
    refuse_folder(name)
    wanted = f"{commit}\n"
    base = line(REPOSITORY, "rev-parse", "--verify", "refs/gatehouse/base")
    if knows(base, len(commit)):
        wanted += f"^{base}\n"
    found = git(
        REPOSITORY, "pack-objects", "--revs", "--quiet", "--delta-base-offset", "--threads=1",
        "--shallow", f"{OUT}/pack", stdin=wanted.encode(),
    )  # fmt: skip
    return {"commit": commit, "pack": found.decode().strip(), "there": bool(taken)}


def refuse_folder(name: str) -> None:
    """`a/b` can't be a branch beside a branch `a`."""
    parts = name.split("/")
    for end in range(3, len(parts)):
        above = "/".join(parts[:end])
        if gitdir.read(gitdir.SOURCE, above).strip() or gitdir.packed(above):
            raise Refusal("branch_taken", f"Its branch {above[11:]!r} stands in the way.")
    below = f" {name}/"
    if any(below in each for each in gitdir.read(gitdir.SOURCE, "packed-refs").splitlines()):
        raise Refusal("branch_taken", f"It has branches below {name[11:]!r}.")


def knows(base: str, digits: int) -> bool:
    """Whether the other repository still has everything that the base reaches."""
    kind = "sha256" if digits == 64 else "sha1"
    git(SCRATCH, "init", "--quiet", "--bare", "--template=", f"--object-format={kind}")
    with open(f"{SCRATCH}/objects/info/alternates", "w") as file:
        file.write(f"{gitdir.SOURCE}/objects\n")
    found = gitdir.shallow()
    if found:
        with open(f"{SCRATCH}/shallow", "w") as file:
            file.write("".join(f"{each}\n" for each in found))
    done = tried(SCRATCH, "rev-list", "--objects", "--quiet", "--max-count=1", base)
    return done.returncode == 0


if __name__ == "__main__":
    serve(answer)
