"""Packs what a branch of the managed repository has and another repository lacks."""

from typing import Any

from . import gitdir
from .plumbing import Refusal, git, line, serve, tried

REPOSITORY = "/repository"
OUT = "/out"
SCRATCH = "/workspace/scratch.git"


def answer(request: dict[str, Any]) -> dict[str, Any]:
    reference = f"refs/heads/{request['branch']}"
    if tried(REPOSITORY, "check-ref-format", reference).returncode:
        raise Refusal("invalid_branch", f"{request['branch']!r} is no name of a branch.")
    if tried(REPOSITORY, "rev-parse", "-q", "--verify", reference).returncode:
        raise Refusal("unknown_branch", f"There is no branch {request['branch']!r}.")
    commit = line(REPOSITORY, "rev-parse", "--verify", f"{reference}^{{commit}}")
    taken = gitdir.read(gitdir.SOURCE, reference).strip() or gitdir.packed(reference)
    if taken and taken != commit:
        raise Refusal("branch_taken", f"Its branch {request['branch']!r} holds another commit.")
    refuse_folder(reference)
    wanted = f"{commit}\n"
    base = line(REPOSITORY, "rev-parse", "--verify", "refs/gatehouse/base")
    if knows(base, len(commit)):
        wanted += f"^{base}\n"
    words = ["--revs", "--quiet", "--delta-base-offset", "--threads=1", "--shallow", "--stdout"]
    with open(f"{OUT}/pack", "wb") as file:
        file.write(git(REPOSITORY, "pack-objects", *words, stdin=wanted.encode()))
    name = line(REPOSITORY, "index-pack", "-o", f"{OUT}/idx", f"{OUT}/pack")
    return {"commit": commit, "pack": name, "there": bool(taken)}


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
    """Whether the other repository still has the base commit and its files."""
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
