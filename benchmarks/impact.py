"""Asking who is hit by a tool's end, and keeping the answer up to date, at ten million calls.

Filled as 10 million calls of 30 days would have left it: 50 agents of 10 teams that each use both
versions of all 200 tools every day (so many rows of days as there can be), the hours of today, and
the calls of the current and the previous hour themselves. Asked are all tools in turn, by somebody
who sees all and by a member of one team. A fold is what the timer does every five seconds.

    python benchmarks/impact.py [--calls 10000000] [--tools 200] [--agents 50] [--json]
"""

import argparse
import json
import os
import platform
import sys

import apart

GOAL_MS = 50


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--calls", type=int, default=10_000_000)
    options.add_argument("--tools", type=int, default=200)
    options.add_argument("--agents", type=int, default=50)
    options.add_argument("--json", action="store_true", help="print one JSON document only")
    given = options.parse_args()
    words = [str(each) for each in (given.calls, given.tools, given.agents)]
    ours = {
        name: apart.run("measured_impact.py", words, address) for name, address in apart.databases()
    }
    slowest = {name: max(each["asking"][who]["p95_ms"] for who in each["asking"])
               for name, each in ours.items()}  # fmt: skip
    document = {
        "name": "impact",
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "ours": ours,
        "peers": {},
        "ratio": {f"{name}_p95_to_goal": round(ms / GOAL_MS, 2) for name, ms in slowest.items()},
    }
    if not given.json:
        for name, each in ours.items():
            print(f"{name}: {json.dumps(each, indent=2)}", file=sys.stderr)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
