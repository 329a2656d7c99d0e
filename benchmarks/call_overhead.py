"""What governance costs per call: an HTTP echo called through the platform, and directly.

One run starts an echo, the platform (granian, WSGI, two workers) and ContextForge (gunicorn, two
workers), each on a PostgreSQL that keeps what it was told, and calls all of them from one client
with 1, 16 and 64 connections. The governed call goes the whole way: key, contract, schema, policy
with 100 rules, budget, two committed transactions, ledger, audit.

    python benchmarks/call_overhead.py [--seconds 8] [--rounds 1] [--peer none] [--json]

A run takes rounds * sides * 3 * (seconds + 1), and 40 s to start everything: two minutes. The first
one installs ContextForge, which takes another minute. `--database sqlite` is the platform alone.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

import contextforge
import load
import stage

from tests import services

CONNECTIONS = (1, 16, 64)
Figures = dict[str, float]


@dataclass(frozen=True)
class Side:
    """One of those that are compared: where it listens, and what it is sent."""

    name: str
    port: int
    data: bytes


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=8.0, help="for each figure")
    options.add_argument("--rounds", type=int, default=1, help="all sides in turn, so many times")
    options.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    options.add_argument("--peer", choices=("contextforge", "none"), default="contextforge")
    options.add_argument("--threads", type=int, default=stage.THREADS, help="of each worker")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        found = run(Path(folder), given)
    if given.json:
        print(json.dumps(found))
        return
    print(found["machine"])
    for name, figures in {"ours": found["ours"], **found["peers"]}.items():
        for connections, one in figures.items():
            print(f"{name:20} c={connections:<3}", *(f"{k} {v:<9}" for k, v in one.items()))
    for name, ratio in found["ratio"].items():
        print(f"{name:50} {ratio}")


def run(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All sides in turn, one after the other on the same machine."""
    with ExitStack() as stack:
        sides, told = _sides(stack, folder, given)
        taken = _taken(sides, given)
    direct, ours, peers = taken.pop("direct"), taken.pop("ours"), taken
    return {
        "name": "call_overhead",
        "machine": f"{stage.machine()}, {given.database}{told}",
        "ours": ours,
        "peers": {"direct": direct, **peers},
        "ratio": _ratios(ours, direct, peers),
    }


def _sides(stack: ExitStack, folder: Path, given: argparse.Namespace) -> tuple[list[Side], str]:
    """All of them, started; and which peer it is."""
    echo_port = stack.enter_context(stage.echo(folder))
    sides = [Side("direct", echo_port, load.request("/", b'{"text": "hello"}', {}))]
    if given.database == "sqlite":
        return [*sides, stack.enter_context(_ours(folder, "", echo_port, given))], ""
    server = stack.enter_context(services.postgresql(durable=True, max_connections="500"))
    own = stage.database(server, "ours")
    sides.append(stack.enter_context(_ours(folder, own, echo_port, given)))
    if given.peer == "none":
        return sides, ""
    port, theirs = stage.free_port(), stage.database(server, "peer")
    peer = stack.enter_context(
        contextforge.running(folder / "peer", theirs, port, echo_port, stage.served)
    )
    sides.append(Side("contextforge", port, load.request(peer.path, peer.body, peer.headers)))
    return sides, f", {contextforge.NAME} {peer.version}"


@contextmanager
def _ours(folder: Path, database: str, echo_port: int, given: argparse.Namespace) -> Iterator[Side]:
    settings = stage.environment(folder, database)
    key = stage.prepare(settings, echo_port)
    with stage.ours(settings, threads=given.threads) as port:
        data = load.request(stage.PATH, stage.CALL, {"Authorization": f"Bearer {key}"})
        yield Side("ours", port, data)


def _taken(sides: list[Side], given: argparse.Namespace) -> dict[str, dict[int, Figures]]:
    taken: dict[str, dict[int, list[Figures]]] = {}
    for _ in range(given.rounds):
        for connections in CONNECTIONS:
            for side in sides:
                print(f"{side.name}, c={connections}", file=sys.stderr)
                one = load.measure(
                    side.port,
                    side.data,
                    connections=connections,
                    seconds=given.seconds,
                    expected=b"hello",
                )
                taken.setdefault(side.name, {}).setdefault(connections, []).append(one)
    return {
        name: {connections: _median(each) for connections, each in figures.items()}
        for name, figures in taken.items()
    }


def _median(several: list[Figures]) -> Figures:
    return {name: round(statistics.median(one[name] for one in several), 2) for name in several[0]}


def _ratios(
    ours: dict[int, Figures], direct: dict[int, Figures], peers: dict[str, dict[int, Figures]]
) -> dict[str, float]:
    """Ours to theirs: calls per second (more is better) and added latency (less is better)."""
    found = {
        f"calls_per_s, ours/direct, c={c}": ours[c]["calls_per_s"] / direct[c]["calls_per_s"]
        for c in CONNECTIONS
    }
    for name, theirs in peers.items():
        for c in CONNECTIONS:
            rate = ours[c]["calls_per_s"] / theirs[c]["calls_per_s"]
            added = (ours[c]["p50_ms"] - direct[c]["p50_ms"]) / (
                theirs[c]["p50_ms"] - direct[c]["p50_ms"]
            )
            found[f"calls_per_s, ours/{name}, c={c}"] = rate
            found[f"added p50, ours/{name}, c={c}"] = added
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    main()
