"""How long a sandboxed `python3 -I -c pass` takes, against bare Python and plain bubblewrap.

All sides take turns in one run, so that what else the machine does falls on all of them alike.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchestration.sandbox import Ending, Job, Limits, SandboxConfig, bubblewrap, cgroups, run

PROGRAM = ("-I", "-c", "pass")
LIMITS = Limits(wall_seconds=20, memory_bytes=512 << 20)


def plain_bubblewrap() -> list[str]:
    """What the README of bubblewrap would have one write: namespaces and the host's files."""
    options = [str(bubblewrap.find().path), "--unshare-all", "--die-with-parent", "--new-session"]
    options += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    return [*options, "--", sys.executable, *PROGRAM]


def contestants(config: SandboxConfig) -> dict[str, Callable[[], None]]:
    job = Job(("python3", *PROGRAM), limits=LIMITS)

    def ours() -> None:
        assert run(job, config=config).ending is Ending.succeeded

    def command(argv: list[str]) -> Callable[[], None]:
        return lambda: subprocess.run(argv, check=True, stdin=subprocess.DEVNULL) and None

    return {
        "ours": ours,
        "bare": command([sys.executable, *PROGRAM]),
        "bubblewrap": command(plain_bubblewrap()),
    }


def measure(sides: dict[str, Callable[[], None]], rounds: int) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 3):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            if turn >= 3:
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: summary(values) for name, values in times.items()}


def summary(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 1), "p95": round(cuts[18], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    config = SandboxConfig(home=home, weak_limits=True)
    try:
        figures = measure(contestants(config), options.rounds)
    finally:
        shutil.rmtree(home)
    ours = figures.pop("ours")
    document = {
        "name": "sandbox_start",
        "machine": {
            "cpus": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "unit": "ms",
        "limits": cgroups.mechanism(cgroups.writable(), "memory"),
        "ours": ours,
        "peers": figures,
        "ratio": {name: round(ours["p50"] / peer["p50"], 2) for name, peer in figures.items()},
    }
    if options.json:
        print(json.dumps(document))
        return
    for name, figure in {"ours": ours, **figures}.items():
        print(f"{name:12} p50 {figure['p50']:6.1f} ms   p95 {figure['p95']:6.1f} ms")


if __name__ == "__main__":
    main()
