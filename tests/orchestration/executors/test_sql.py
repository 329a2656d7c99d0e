"""Queries on a real SQLite file and a real PostgreSQL: what may be read, and nothing else."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration.executors.statements import classify
from registry.models import Agent
from tests import factories, services
from tests.governance.rows import make_policy
from tests.orchestration.executors.calling import ANYTHING, call, fault, value

pytestmark = pytest.mark.django_db

ROWS = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"


@pytest.fixture(autouse=True)
def tool(db: None) -> None:
    factories.make_tool(
        "query_database",
        executor="sql",
        parameters=ANYTHING,
        sandbox_config={"timeout": 2, "output_limit": "64KB"},
    )


@pytest.fixture
def main(home: Path) -> Path:
    path = home / "databases" / "main.sqlite3"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute(ROWS)
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"n{n}") for n in range(3000)])
    connection.close()
    return path


def query(agent: Agent, text: str, **more: Any) -> Any:
    return call(agent, "query_database", **({"database": "main", "query": text} | more))


def count(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        found: int = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    return found


def test_rows_come_back_with_their_columns(agent: Agent, main: Path) -> None:
    found = value(query(agent, "SELECT id, name FROM t WHERE id < ? ORDER BY id", parameters=[2]))
    assert found["columns"] == ["id", "name"]
    assert found["rows"] == [[0, "n0"], [1, "n1"]]
    assert (found["row_count"], found["truncated"], found["statement"]) == (2, False, "read")


def test_rows_over_the_limit_are_cut_and_that_is_told(agent: Agent, main: Path) -> None:
    found = value(query(agent, "SELECT id FROM t"))
    assert (found["row_count"], found["truncated"]) == (1000, True)
    make_policy("few", [{"name": "few", "limit": {"rows": 10}, "message": "10 rows"}])
    assert value(query(agent, "SELECT id FROM t"))["row_count"] == 10


def test_bytes_over_the_limit_are_refused(agent: Agent, main: Path) -> None:
    found = query(agent, "SELECT hex(randomblob(40000)) FROM t LIMIT 2")
    assert fault(found) == "output_exceeded"


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM t",
        "DROP TABLE t",
        "INSERT INTO t VALUES (9999, 'x')",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT 9999, 'x'",
        "SELECT 1; DELETE FROM t",
        "PRAGMA writable_schema=ON",
        "ATTACH 'other.sqlite3' AS other",
        "VACUUM INTO '/tmp/stolen'",
        "this is no sql",
        "",
    ],
)
def test_what_may_write_is_refused_in_read_mode(agent: Agent, main: Path, text: str) -> None:
    assert fault(query(agent, text)) == "write_refused"
    assert count(main) == 3000


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM t",
        "INSERT INTO t VALUES (9999, 'x')",
        "CREATE TABLE u (x)",
        "PRAGMA query_only=OFF",
        "ATTACH ':memory:' AS other",
        "SELECT load_extension('x')",
        "BEGIN IMMEDIATE",
    ],
)
def test_the_engine_itself_refuses_what_a_parser_let_through(
    agent: Agent, main: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.executors import statements  # noqa: PLC0415

    monkeypatch.setattr(statements, "classify", lambda text, dialect: "read")
    assert fault(query(agent, text)) == "query_failed"
    assert count(main) == 3000


def test_a_write_needs_mode_write_and_a_verdict_that_lets_it(agent: Agent, main: Path) -> None:
    text = "DELETE FROM t WHERE id >= 10"
    policy = [{"name": "read", "limit": {"access": "read"}, "message": "Read only"}]
    made = make_policy("read_only", policy)
    assert fault(query(agent, text, mode="write")) == "write_refused"
    from governance import policies  # noqa: PLC0415

    policies.put(made, "retired")
    found = value(query(agent, text, mode="write"))
    assert found["changed"] == 2990
    assert count(main) == 10


def test_a_query_that_takes_too_long_is_ended(agent: Agent, main: Path) -> None:
    begun = time.monotonic()
    endless = (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    )
    assert query(agent, endless).status == "timed_out"
    assert time.monotonic() - begun < 4


def test_a_mistake_is_told(agent: Agent, main: Path) -> None:
    found = query(agent, "SELECT nothing FROM t")
    assert fault(found) == "query_failed"
    assert "nothing" in found.payload.error["message"]


@pytest.mark.parametrize("name", ["other", "../main", "main.sqlite3", "", "/etc/passwd"])
def test_only_the_operators_databases_have_names(agent: Agent, main: Path, name: str) -> None:
    found = query(agent, "SELECT 1", database=name)
    assert fault(found) == "unknown_database"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1", "read"),
        ("SELECT a FROM b UNION SELECT c FROM d", "read"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "read"),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "write"),
        ("SELECT * INTO u FROM t", "write"),
        ("SELECT * FROM t FOR UPDATE", "write"),
        ("COPY t TO '/tmp/x'", "write"),
        ("DO $$ BEGIN END $$", "write"),
        ("SET ROLE x", "write"),
        ("CALL p()", "write"),
        ("EXPLAIN ANALYZE DELETE FROM t", "write"),
        ("TRUNCATE t", "write"),
        ("COMMIT", "write"),
    ],
)
def test_statements_are_told_apart(text: str, kind: str) -> None:
    assert classify(text, "postgres") == kind


@pytest.fixture
def postgres(settings: Any) -> Iterator[str]:
    services.need("postgresql")
    with services.postgresql() as address:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(ROWS)
            connection.execute("INSERT INTO t SELECT n, 'n' || n FROM generate_series(0, 2999) n")
        settings.TOOL_DATABASES = {"main": address}
        yield address


@pytest.mark.postgres
def test_postgresql_answers_and_keeps_to_reading(
    agent: Agent, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = value(query(agent, "SELECT id, name FROM t WHERE id < %s ORDER BY id", parameters=[2]))
    assert found["columns"] == ["id", "name"]
    assert found["rows"] == [[0, "n0"], [1, "n1"]]
    assert value(query(agent, "SELECT id FROM t"))["truncated"] is True
    assert query(agent, "SELECT pg_sleep(20)").status == "timed_out"
    assert fault(query(agent, "SELECT nothing FROM t")) == "query_failed"
    assert fault(query(agent, "DELETE FROM t")) == "write_refused"
    from orchestration.executors import statements  # noqa: PLC0415

    with monkeypatch.context() as patch:
        patch.setattr(statements, "classify", lambda text, dialect: "read")
        for text in (
            "DELETE FROM t",
            "SELECT 1; DELETE FROM t",
            "COMMIT; DELETE FROM t",
            "SELECT set_config('transaction_read_only', 'off', false)",
            "CREATE TABLE u (x int)",
        ):
            assert fault(query(agent, text)) == "query_failed", text
    assert value(query(agent, "SELECT count(*) FROM t"))["rows"] == [[3000]]
    changed = value(query(agent, "DELETE FROM t WHERE id >= 10 RETURNING id", mode="write"))
    assert changed["changed"] == 2990
    assert value(query(agent, "SELECT count(*) FROM t"))["rows"] == [[10]]
