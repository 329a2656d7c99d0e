"""How long a sandboxed `execute_python` of a trivial program takes, from the call to its answer.

Ours is a sandbox whose interpreter was booted before; the peers start theirs for the call: our own
cold way, and plain bubblewrap around the same interpreter, with a cgroup that is made for it and
removed after it, and without. All sides take turns in one run, so that what else the machine does
falls on all of them alike. A last figure is of calls that leave the pool no pause.
`python benchmarks/sandbox_start.py [--json] [--rounds N]`; times are milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchestration.sandbox import (
    Job,
    Limits,
    SandboxConfig,
    bubblewrap,
    cgroups,
    confinement,
    drain,
    python_runtime,
    run,
    state,
)

CODE = "/code/main.py"
PROGRAM = "print(6 * 7)\n"
LIMITS = Limits(wall_seconds=20, memory_bytes=512 << 20)
JOB = Job(("python3", CODE), files={CODE: PROGRAM.encode()}, limits=LIMITS, repeats=True)
WARM_UP = 3
Side = Callable[[], None]


def ours(config: SandboxConfig, start: str) -> Side:
    job = JOB if start == "warm" else replace(JOB, repeats=False)

    def side() -> None:
        outcome = run(job, config=config)
        assert (outcome.stdout, outcome.enforcement.start) == (b"42\n", start), outcome

    return side


def command(argv: list[str], enter: Callable[[], None] | None = None) -> Side:
    def side() -> None:
        done = subprocess.run(argv, check=True, input=b"", capture_output=True, preexec_fn=enter)
        assert done.stdout == b"42\n"

    return side


def plain_bubblewrap(program: Path) -> list[str]:
    """What the README of bubblewrap would have one write: namespaces and the host's files."""
    options = [str(bubblewrap.find().path), "--unshare-all", "--die-with-parent", "--new-session"]
    options += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    runtime = python_runtime()
    for masked in runtime.masked:
        # The host's packages aren't in ours either, and reading what they add takes its time.
        path = Path(masked)
        if runtime.source is not None and path.is_relative_to(runtime.target):
            path = runtime.source / path.relative_to(runtime.target)
        options += ["--tmpfs", str(path)]
    return [*options, "--", str(runtime.program), str(program)]


class WithCgroup:
    """Plain bubblewrap in cgroups that are made for it, with the limits of ours."""

    def __init__(self, argv: list[str]) -> None:
        self.groups = cgroups.plan(cgroups.writable(), LIMITS, f"bench-{os.getpid()}")
        self.command = command(argv, self.enter)

    def enter(self) -> None:
        for group in self.groups:
            Path(group.path, "cgroup.procs").write_text("0")

    def __call__(self) -> None:
        for group in self.groups:
            os.mkdir(group.path)
            for file, value, required in group.settings:
                try:
                    Path(group.path, file).write_text(value)
                except OSError:
                    assert not required
        self.command()
        for group in self.groups:
            # bubblewrap's last process may still be on its way out.
            confinement.empty(group.path)


def measure(config: SandboxConfig, rounds: int, scratch: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of each side; between two of ours the pool has the time that it needs."""
    program = scratch / "main.py"
    program.write_text(PROGRAM)
    sides: dict[str, Side] = {
        "warm": ours(config, "warm"),
        "cold": ours(config, "cold"),
        "bubblewrap_with_cgroup": WithCgroup(plain_bubblewrap(program)),
        "bubblewrap": command(plain_bubblewrap(program)),
        "bare": command([str(python_runtime().program), "-S", str(program)]),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + WARM_UP):
        for name, side in sides.items():
            wait_until_ready(config)
            started = time.perf_counter()
            side()
            if turn >= WARM_UP:
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: summary(values) for name, values in times.items()}


def wait_until_ready(config: SandboxConfig) -> None:
    """Also before the others' turn: booting one meanwhile would be on their account."""
    deadline = time.monotonic() + 30
    while state(config).idle < state(config).target:
        if time.monotonic() > deadline:
            raise SystemExit(f"No sandbox was booted: {state(config)}")
        time.sleep(0.005)


def without_pause(config: SandboxConfig, calls: int) -> dict[str, float]:
    """Calls one after another; those that come before the next is booted start cold."""
    starts, times = [], []
    for _ in range(calls):
        started = time.perf_counter()
        starts.append(run(JOB, config=config).enforcement.start)
        times.append((time.perf_counter() - started) * 1000)
    return summary(times) | {"warm_share": round(starts.count("warm") / calls, 2)}


def summary(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 1), "p95": round(cuts[18], 1)}


def document(rounds: int) -> dict[str, object]:
    scratch = Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    config = SandboxConfig(home=scratch / "home", weak_limits=True, max_idle=2)
    try:
        run(JOB, config=config)
        figures = measure(config, rounds, scratch)
        busy = without_pause(config, rounds)
    finally:
        drain()
        shutil.rmtree(scratch)
    warm = figures.pop("warm")
    return {
        "name": "sandbox_start",
        "machine": {
            "cpus": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "bubblewrap": bubblewrap.find().version,
            "limits": cgroups.mechanism(cgroups.writable(), "memory"),
        },
        "unit": "ms",
        "ours": warm | {"without_pause": busy},
        "peers": figures,
        "ratio": {name: round(warm["p50"] / peer["p50"], 2) for name, peer in figures.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    found = document(options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    sides = {"warm": found["ours"], **found["peers"]}
    for name, figure in sides.items():
        ratio = found["ratio"].get(name, 1)
        print(f"{name:24} p50 {figure['p50']:6.1f} ms  p95 {figure['p95']:6.1f}  warm/this {ratio}")
    print("without pause", found["ours"]["without_pause"])


if __name__ == "__main__":
    main()
