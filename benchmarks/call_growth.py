"""Whether a call costs the same with ten million calls in the tables as with none.

One PostgreSQL holds two databases that were prepared alike. One is filled: a call is made through
the platform, and its rows (call, payload, hold, ledger entry, audit line) are repeated over the
past year. Then both platforms are called in turn, and compared by ratio.

    python benchmarks/call_growth.py [--rows 1000000] [--rounds 3] [--seconds 6] [--json]

Filling takes about a minute and 2 GB for each million rows (`--rows 10000000`: a quarter of an hour
and 20 GB), calling 4 * rounds * (seconds + 1). `scans` names large tables that were read from one
end to the other meanwhile; there should be none.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

import load
import psycopg
import stage
from psycopg import sql

from tests import services

CONNECTIONS = (1, 16)
YEAR_MS = 365 * 24 * 3600 * 1000
# For row number n: the millisecond that it fell into, a UUIDv7 of then, and a moment.
AT = "(extract(epoch from now()) * 1000)::bigint - {year} + n::bigint * {step}"
ID = (
    "(lpad(to_hex({at}), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' "
    "|| substr(md5(n::text), 4, 15))::uuid"
)
MOMENT = "to_timestamp(({at}) / 1000.0)"
# Which columns of which table tell one row from the next.
TABLES: Mapping[str, Mapping[str, str]] = {
    "orchestration_toolcall": {
        "id": ID,
        "token": "md5('token' || n)::uuid",
        "created_at": MOMENT,
        "started_at": MOMENT,
        "finished_at": MOMENT,
    },
    "orchestration_toolcallpayload": {"call_id": ID},
    "governance_hold": {"id": ID, "subject_id": ID, "created_at": MOMENT, "expires_at": MOMENT},
    "governance_ledgerentry": {"id": ID, "subject_id": ID, "created_at": MOMENT},
    "governance_auditevent": {"id": ID, "target_id": f"({ID})::text", "at": MOMENT},
}
SERVER = {"shared_buffers": "512MB", "max_wal_size": "8GB", "maintenance_work_mem": "1GB"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=6.0, help="for each figure")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder, ExitStack() as stack:
        found = run(stack, Path(folder), given)
    print(json.dumps(found, indent=None if given.json else 2))


def run(stack: ExitStack, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Prepare both, fill one, and call both in turn."""
    echo_port = stack.enter_context(stage.echo(folder))
    server = stack.enter_context(services.postgresql(durable=True, **SERVER))
    sides, addresses = {}, {}
    for name in ("empty", "full"):
        addresses[name] = stage.database(server, name)
        settings = stage.environment(folder / name, addresses[name])
        key = stage.prepare(settings, echo_port)
        port = stack.enter_context(stage.ours(settings))
        headers = {"Authorization": f"Bearer {key}"}
        sides[name] = port, load.request(stage.PATH, stage.CALL, headers)
    port, data = sides["full"]
    load.measure(port, data, connections=1, seconds=0.5, expected=b"hello")
    began = time.monotonic()
    sizes = filled(addresses["full"], given.rows)
    filling = round(time.monotonic() - began)
    before = scans(addresses["full"])
    taken = _in_turn(sides, given)
    after = scans(addresses["full"])
    return {
        "name": "call_growth",
        "machine": f"{stage.machine()}, postgresql",
        "rows": given.rows,
        "filled_in_s": filling,
        "bytes": sizes,
        "ours": taken["full"],
        "peers": {"empty": taken["empty"]},
        "ratio": _ratios(taken),
        "scans": {name: after[name] - was for name, was in before.items() if after[name] > was},
    }


def filled(address: str, rows: int) -> dict[str, int]:
    """Repeat the last row of each table so many times; the bytes that each takes with its indexes.

    Without indexes and triggers while it lasts: they are made again at the end.
    """
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, columns in TABLES.items():
            print(f"filling {table}", file=sys.stderr)
            indexes = _without_indexes(connection, table)
            _repeat(connection, table, columns, rows)
            for definition in indexes:
                connection.execute(definition.encode())
            connection.execute(sql.SQL("VACUUM (ANALYZE, FREEZE) {}").format(sql.Identifier(table)))
        connection.execute("CHECKPOINT")
        return {table: _size(connection, table) for table in TABLES}


def _without_indexes(connection: "psycopg.Connection[Any]", table: str) -> Sequence[str]:
    """Drop the indexes that no constraint needs; what makes them again."""
    found = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = %s::regclass AND NOT EXISTS "
        "(SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)",
        [table],
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}".encode())
    return [definition for _, definition in found]


def _repeat(
    connection: "psycopg.Connection[Any]", table: str, columns: Mapping[str, str], rows: int
) -> None:
    at = AT.format(year=YEAR_MS, step=max(YEAR_MS // rows, 1))
    names = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
    ).fetchall()
    values = ", ".join(
        columns[name].format(at=at) if name in columns else f'one."{name}"' for (name,) in names
    )
    listed = ", ".join(f'"{name}"' for (name,) in names)
    key = "call_id" if "call_id" in columns else "id"
    connection.execute(
        f"INSERT INTO {table} ({listed}) SELECT {values} "
        f"FROM (SELECT * FROM {table} ORDER BY {key} DESC LIMIT 1) AS one, "
        f"generate_series(1, {rows}) AS n".encode()
    )


def _size(connection: "psycopg.Connection[Any]", table: str) -> int:
    row = connection.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone()
    return int(row[0]) if row else 0


def scans(address: str) -> dict[str, int]:
    """How often each of the large tables was read as a whole."""
    with psycopg.connect(address) as connection:
        found = connection.execute(
            "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY(%s)",
            [list(TABLES)],
        ).fetchall()
    return {str(name): int(count) for name, count in found}


def _in_turn(
    sides: Mapping[str, tuple[int, bytes]], given: argparse.Namespace
) -> dict[str, dict[int, dict[str, float]]]:
    taken: dict[str, dict[int, list[dict[str, float]]]] = {}
    for number in range(given.rounds):
        for connections in CONNECTIONS:
            # Whoever comes first in one round comes last in the next.
            for name in sorted(sides, reverse=number % 2 == 1):
                port, data = sides[name]
                one = load.measure(
                    port, data, connections=connections, seconds=given.seconds, expected=b"hello"
                )
                print(f"{name}, c={connections}: {one}", file=sys.stderr)
                taken.setdefault(name, {}).setdefault(connections, []).append(one)
    return {
        name: {c: _median(several) for c, several in figures.items()}
        for name, figures in taken.items()
    }


def _median(several: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in several), 2) for name in several[0]}


def _ratios(taken: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, float]:
    """The time of a call with the rows to the time without: 1.1 is ten per cent slower."""
    full, empty = taken["full"], taken["empty"]
    found = {f"p50, full/empty, c={c}": full[c]["p50_ms"] / empty[c]["p50_ms"] for c in CONNECTIONS}
    found |= {
        f"time per call, full/empty, c={c}": empty[c]["calls_per_s"] / full[c]["calls_per_s"]
        for c in CONNECTIONS
    }
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
