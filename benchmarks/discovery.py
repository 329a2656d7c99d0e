"""Searching 10,000 tools: how fast, and how well.

The tools are the real ones of `tests/data/mcp-tools`, repeated under the names of made-up systems.
Times are those of the REST door in one process (key, visibility, filters, ranking, a page of 20);
the peer is `LIKE` for each word over names and descriptions, with the same page. How well: 40
questions in plain words, asked of the real tools alone; recall@5 is the part of the right answers
(at most five) among the first five.

    python benchmarks/discovery.py [--tools 10000] [--rounds 200] [--json]
"""

import argparse
import json
import os
import platform
import sys
from typing import Any

import apart


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--tools", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--json", action="store_true", help="print one JSON document only")
    given = options.parse_args()
    words = [str(given.tools), str(given.rounds)]
    found = {
        name: apart.run("measured_discovery.py", words, address)
        for name, address in apart.databases()
    }
    document = {
        "name": "discovery",
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "ours": {name: each["ours"] for name, each in found.items()},
        "peers": {name: each["peers"] for name, each in found.items()},
        "ratio": {name: each["ratio"] for name, each in found.items()},
    }
    if not given.json:
        show(document)
    print(json.dumps(document))


def show(document: dict[str, Any]) -> None:
    for name, ours in document["ours"].items():
        for what, figures in ours.items():
            print(f"{name:10} {what:22} {figures}", file=sys.stderr)
        for what, figures in document["peers"][name].items():
            print(f"{name:10} {what:22} {figures}", file=sys.stderr)
        print(f"{name:10} {'ratio':22} {document['ratio'][name]}", file=sys.stderr)


if __name__ == "__main__":
    main()
