"""Runs jobs as another user, for the tests: pickled jobs in, pickled outcomes out.

Started as root with the user's id, a home and whether cgroups are made for it. What that user
couldn't reach (a Python or a checkout below a private directory) is shown to it in a mount
namespace of its own.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

from orchestration.sandbox import SandboxConfig, SandboxUnavailable, cgroups, run, system

ROOT = Path(__file__).resolve().parents[3]


def show(*paths: Path) -> None:
    hidden = {path: _private_above(path) for path in paths}
    system.check(system.libc.unshare(system.CLONE_NEWNS), "unshare")
    system.mount("none", "/", None, system.MS_REC | system.MS_PRIVATE)
    opened = {path: os.open(path, os.O_PATH) for path in paths if hidden[path]}
    for covered in {top for top in hidden.values() if top}:
        system.mount("tmpfs", str(covered), "tmpfs", 0, "mode=0755")
    for path, fd in opened.items():
        path.mkdir(parents=True, exist_ok=True)
        system.mount(f"/proc/self/fd/{fd}", str(path), None, system.MS_BIND)


def _private_above(path: Path) -> Path | None:
    closed = [above for above in path.parents if not above.stat().st_mode & 0o001]
    return closed[-1] if closed else None


def delegate(uid: int) -> None:
    for hierarchy in cgroups.writable():
        own = hierarchy.base / f"gatehouse-test-{uid}"
        own.mkdir(exist_ok=True)
        for path in (own, own / "cgroup.procs", own / "tasks"):
            os.chown(path, uid, uid)
        (own / "cgroup.procs").write_text(str(os.getpid()))


def main() -> None:
    uid, home, delegated = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "cgroups"
    if delegated:
        delegate(uid)
    show(Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    config = SandboxConfig(home=home, weak_limits=not delegated)
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = run(job, config=config)
        except (SandboxUnavailable, ValueError, OSError) as error:
            answer = error
        sys.stdout.buffer.write(pickle.dumps(answer))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
