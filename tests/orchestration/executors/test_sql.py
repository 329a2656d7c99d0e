"""Queries on a real SQLite file and a real PostgreSQL: what may be read, and nothing else."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration.executors.postgres import address_of
from orchestration.executors.statements import QueryFailed, classify
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
        ("EXPLAIN SELECT 1", "write"),
        ("SHOW all", "write"),
        ("LOCK TABLE t", "write"),
        ("NOTIFY x", "write"),
        ("LISTEN x", "write"),
        ("VACUUM", "write"),
        ("REINDEX", "write"),
        ("ANALYZE t", "write"),
        ("PREPARE x AS SELECT 1", "write"),
        ("EXECUTE x", "write"),
        ("DECLARE c CURSOR FOR SELECT 1", "write"),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "write"),
        ("GRANT SELECT ON t TO x", "write"),
        ("SELECT set_config('role', 'x', false)", "write"),
        ("SELECT nextval('s')", "write"),
        ("SELECT lo_import('/etc/passwd')", "write"),
        ("SELECT pg_read_file('/etc/passwd')", "write"),
        ("SELECT pg_catalog.pg_read_file('/etc/passwd')", "write"),
        ("SELECT pg_terminate_backend(1)", "write"),
        ("SELECT pg_advisory_lock(1)", "write"),
        ("SELECT * FROM dblink('host=x', 'DELETE FROM t') AS t(a int)", "write"),
        ("SELECT query_to_xml('DELETE FROM t', true, true, '')", "write"),
        ("SELECT theirs.lower(name) FROM t", "write"),
        ("SELECT 1 OPERATOR(theirs.+) 2", "write"),
        ("SELECT ours(name) FROM t", "write"),
        ("SELECT * FROM (SELECT pg_notify('a', 'b')) x", "write"),
        ("SELECT 1 WHERE EXISTS (SELECT setval('s', 1))", "write"),
        ("SELECT lower(name), count(*), jsonb_agg(id) FROM t GROUP BY 1", "read"),
        ("SELECT pg_catalog.lower(name) FROM t", "read"),
        ("SELECT date_trunc('day', now()), generate_series(1, 3), row_number() OVER ()", "read"),
        ("TABLE t", "read"),
        ("VALUES (1), (2)", "read"),
        ("SELECT 'DELETE FROM t; --'", "read"),
        ("SELECT $$; DROP TABLE t$$", "read"),
        ("(" * 2_000 + "SELECT 1" + ")" * 2_000, "write"),
        ("SELECT " + "1," * 60_000 + "1", "write"),
    ],
)
def test_statements_are_told_apart(text: str, kind: str) -> None:
    assert classify(text, "postgres") == kind


def test_values_are_json(agent: Agent, main: Path) -> None:
    text = "SELECT NULL, 1, 1.5, 'é', x'00ff', ?, ?"
    found = value(query(agent, text, parameters=[[1, 2], {"a": 1}]))
    assert found["rows"] == [[None, 1, 1.5, "é", "00ff", "[1, 2]", '{"a": 1}']]


def test_an_answer_that_is_cut_by_its_bytes_says_so(agent: Agent, main: Path) -> None:
    found = value(query(agent, "SELECT hex(randomblob(10000)) FROM t"))
    assert (found["row_count"], found["truncated"], found["cut"]) == (3, True, "bytes")


def test_a_link_out_of_the_folder_is_no_database(agent: Agent, main: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.sqlite3"
    main.rename(outside)
    main.symlink_to(outside)
    assert fault(query(agent, "SELECT 1")) == "unknown_database"


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


def backend(agent: Agent, tool: str = "query_database") -> int:
    found = call(agent, tool, database="main", query="SELECT pg_backend_pid()", mode="write")
    pid: int = value(found)["rows"][0][0]
    return pid


@pytest.mark.postgres
def test_a_connection_is_kept_for_its_tool_alone_and_wiped(agent: Agent, postgres: str) -> None:
    factories.make_tool("other", executor="sql", parameters=ANYTHING)
    first = backend(agent)
    leave = "SELECT set_config('my.note', 'left', false), pg_advisory_lock(7)"
    value(query(agent, leave, mode="write"))
    value(query(agent, "CREATE TEMP TABLE mine (x int)", mode="write"))
    assert backend(agent) == backend(agent) == first, "kept between calls"
    assert backend(agent, "other") != first, "never shared"
    found = query(agent, "SELECT current_setting('my.note', true)", mode="write")
    assert value(found)["rows"] == [[""]]
    assert fault(query(agent, "SELECT * FROM mine", mode="write")) == "query_failed"
    assert value(query(agent, "SELECT pg_try_advisory_lock(7)", mode="write"))["rows"] == [[True]]
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [first])
    assert backend(agent) != first, "a dead one is replaced"


@pytest.mark.postgres
def test_postgresql_values_are_json_and_bound(agent: Agent, postgres: str) -> None:
    text = (
        "SELECT 1.50::numeric, '2024-02-29'::date, '2024-02-29 12:00+00'::timestamptz, "
        "'1 day'::interval, '\\x00ff'::bytea, ARRAY[1, 2], '{\"a\": [1]}'::jsonb, "
        "%s::jsonb, %s::int[], "
        "'0190f7c2-3b1e-7a4c-9d2e-5f6a7b8c9d0e'::uuid, NULL, true, '[1,3)'::int4range"
    )
    row = value(query(agent, text, parameters=[{"b": "'; DROP TABLE t"}, [1, 2]]))["rows"][0]
    assert row[:4] == ["1.50", "2024-02-29", "2024-02-29T12:00:00+00:00", 86400.0]
    assert row[4:9] == ["00ff", [1, 2], {"a": [1]}, {"b": "'; DROP TABLE t"}, [1, 2]]
    assert row[9:12] == ["0190f7c2-3b1e-7a4c-9d2e-5f6a7b8c9d0e", None, True]


@pytest.mark.postgres
def test_a_huge_answer_is_cut_without_being_fetched(agent: Agent, postgres: str) -> None:
    begun = time.monotonic()
    found = value(query(agent, "SELECT generate_series(1, 50000000), repeat('x', 500)"))
    assert found["truncated"] and found["cut"] == "bytes"
    assert time.monotonic() - begun < 5
    assert value(query(agent, "SELECT 1"))["rows"] == [[1]]


@pytest.mark.postgres
def test_the_server_refuses_what_a_parser_let_through(
    agent: Agent, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.executors import statements  # noqa: PLC0415

    monkeypatch.setattr(statements, "classify", lambda text, dialect: "read")
    for text in (
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "SELECT * INTO u FROM t",
        "SELECT * FROM t FOR UPDATE",
        "COPY t TO PROGRAM 'touch /tmp/gatehouse-was-here'",
        "COPY t FROM '/etc/passwd'",
        "DO $$ BEGIN DELETE FROM t; END $$",
        "EXPLAIN ANALYZE DELETE FROM t",
        "TRUNCATE t",
        "SET TRANSACTION READ WRITE",
        "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
        "SELECT nextval('pg_catalog.nothing')",
        "VACUUM",
    ):
        found = query(agent, text)
        assert found.status == "failed", (text, found.payload.result)
    assert value(query(agent, "SELECT count(*) FROM t"))["rows"] == [[3000]]
    assert not Path("/tmp/gatehouse-was-here").exists()


@pytest.mark.postgres
def test_a_statement_that_waits_for_a_lock_is_ended(agent: Agent, postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        connection.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        assert query(agent, "SELECT count(*) FROM t").status == "timed_out"
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "dsn",
    [
        "mysql://u:p@h/d",
        "postgres:///d",
        "postgres://u:p@h",
        "postgres://u:p@h/d?sslkey=/etc/shadow",
        "postgres://u:p@h/d?host=/tmp",
        "postgres://u:p@h/d?service=x",
        "sqlite:/etc/passwd",
        "host=h dbname=d",
        "postgres://u:p@h:notaport/d",
    ],
)
def test_a_tools_own_address_names_a_server_and_nothing_of_this_machine(dsn: str) -> None:
    with pytest.raises(QueryFailed) as error:
        address_of(dsn)
    assert dsn not in str(error.value)
