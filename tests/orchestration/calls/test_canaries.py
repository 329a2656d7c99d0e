"""Secrets planted in every place that takes one, said again by those who were told, failing in
every way: and then everything that the platform stores or emits is searched for them."""

import base64
import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from portal import logs
from rest_framework.test import APIClient

from governance.models import AuditEvent
from orchestration.executors import table
from orchestration.executors.secrets import MASK, Secrets, SecretUnavailable
from orchestration.models import ToolCall
from registry import secrets
from registry.models import Secret, Team, User
from tests import factories
from tests.governance.rows import make_policy
from tests.orchestration.executors.calling import ANYTHING

CANARIES = {
    "header_key": "canary-Header/7f+3a=91",
    "query_key": "canary query & 55?c2#e8",
    "cookie_key": "canary-cookie-0b4d77",
    "pass_word": "canary:dsn@p/ss%word9",
    "env_key": 'canary "env"\\ 9e1f\u00e9 value',
}
log = structlog.get_logger("canary")


def forms(value: str) -> set[str]:
    raw = value.encode()
    inside = base64.b64encode(b"user:" + raw)[8:-4].decode()
    found = {value, quote(value, safe=""), json.dumps(value)[1:-1], raw.hex(), inside}
    return found | {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}


def leaks(text: str) -> set[str]:
    return {
        form for value in CANARIES.values() for form in forms(value) if form.lower() in text.lower()
    }


class Echo(BaseHTTPRequestHandler):
    """Says what it was told in every way that it knows."""

    heard: list[str] = []

    def do_GET(self) -> None:
        told = {**self.headers, "path": self.path}
        Echo.heard.append(json.dumps(told))
        text = json.dumps(told)
        parts = [told, {"again": text, text: 1}, base64.b64encode(text.encode()).decode()]
        parts += [quote(text), text.encode().hex(), quote(quote(text)), text.upper()]
        known = [CANARIES[name].encode() for name in ("header_key", "query_key", "cookie_key")]
        parts += [base64.b64encode(b"x" * n + each).decode() for n in range(3) for each in known]
        parts += [base64.urlsafe_b64encode(each).decode() for each in known]
        body = json.dumps(parts).encode()
        if "/slow" in self.path:
            threading.Event().wait(3)
        if "/cut" in self.path:
            self.wfile.write(b"HTTP/1.1 200 " + text.encode()[:200] + b"\r\nnonsense " + body)
            return
        self.send_response(500 if "/broken" in self.path else 200)
        self.send_header(
            "content-type", "text/plain" if "/text" in self.path else "application/json"
        )
        self.send_header("x-told", CANARIES["header_key"])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    Echo.heard = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def planted(team: Team, alice: User) -> None:
    for name, value in CANARIES.items():
        secrets.put(Secret.objects.create(name=name, team=team), value, by=alice.actor)


def make(name: str, team: Team, by: User | None, executor: str, **config: Any) -> None:
    tool = factories.make_tool(
        name,
        team=team,
        executor=executor,
        parameters=ANYTHING,
        executor_config=config,
        sandbox_config={"timeout": 2, "output_limit": "64KB"},
    )
    for each in sorted(secrets.names(config)) if by else ():
        secrets.give(Secret.objects.get(name=each), tool, by=by.actor, reason="it needs it")


def stored() -> dict[str, str]:
    """Every column of every table, as text."""
    found = {}
    for name in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{name}"')
            rows = json.dumps(cursor.fetchall(), cls=DjangoJSONEncoder, default=str)
        found[name] = rows.replace("\\\\", "\\") + rows
    return found


TOLD: dict[str, Any] = {
    "headers": {"X-Key": "${secret:header_key}", "Authorization": "Basic ${secret:header_key}"},
    "query": {"key": "${secret:query_key}"},
    "cookies": {"session": "${secret:cookie_key}"},
    "private_hosts": ["127.0.0.1"],
}
PROGRAM = (
    "import os,json,sys,base64;v=os.environ['KEY'];print(v,file=sys.stderr);"
    "sys.stdin.read();print(json.dumps({'v':v,v:1,'b':base64.b64encode(v.encode()).decode(),"
    "'r':repr(v),'e':dict(os.environ)}))"
)
HTTP = ("fine", "text", "broken", "slow", "cut")


def make_tools(team: Team, alice: User, port: int) -> None:
    for path in HTTP:
        make(path, team, alice, "http", url=f"http://127.0.0.1:{port}/{path}", **TOLD)
    make("nowhere", team, alice, "http", url="http://127.0.0.1:1/x", **TOLD)
    make("database", team, alice, "sql", dsn="postgres://u:${secret:pass_word}@127.0.0.1:1/name")
    make("whole_dsn", team, alice, "sql", dsn="${secret:pass_word}")
    env = {"KEY": "${secret:env_key}"}
    make("program", team, alice, "command", argv=["python3", "-c", PROGRAM], env=env)
    failing = ["python3", "-c", f"{PROGRAM};raise SystemExit(v)"]
    make("failing", team, alice, "command", argv=failing, env=env)
    make("ungranted", team, None, "http", url=f"http://127.0.0.1:{port}/fine", **TOLD)
    make("buggy", team, alice, "http", url=f"http://127.0.0.1:{port}/fine", **TOLD)
    make_policy("all", [{"name": "all", "audit": {"executions": "all"}, "message": "Log"}])


class Caller:
    """Calls tools, and keeps all that it was answered."""

    def __init__(self, key: str) -> None:
        self.client = APIClient()
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        self.answers: list[str] = []

    def send(self, name: str, **arguments: Any) -> Any:
        body = {"arguments": arguments}
        answer = self.client.post(f"/api/v1/tools/{name}/call/", body, format="json")
        self.answers.append(answer.content.decode() + str(dict(answer.headers)))
        return answer


def call_all(caller: Caller) -> None:
    fine = caller.send("fine", note="${secret:header_key}")
    assert fine.json()["status"] == "succeeded", fine.content
    assert MASK in fine.content.decode()
    told = Echo.heard[0]
    assert CANARIES["header_key"] in told and CANARIES["cookie_key"] in told
    assert "canary" in told.split('"path"')[1]
    assert quote("${secret:header_key}", safe="") in told, "an argument is never filled"
    for name in (*HTTP[1:], "nowhere"):
        assert caller.send(name).json()["status"] in ("succeeded", "failed", "timed_out")
    for name in ("database", "whole_dsn"):
        assert caller.send(name, query="SELECT 1").json()["status"] == "failed"
    shown = caller.send("program").json()
    assert shown["result"]["v"] == MASK, shown
    assert caller.send("failing").json()["status"] == "failed"
    refused = caller.send("ungranted")
    assert refused.status_code == 503
    assert "header_key" in refused.content.decode()


def call_with_a_bug(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(invocation: Any) -> Any:
        filled = invocation.secrets.fill(invocation.config)
        logging.getLogger("httpx").error("sending %s", filled)
        log.error("sending", headers=filled["headers"])
        raise ValueError(f"can't send {filled}")

    with monkeypatch.context() as patch:
        patch.setitem(table.EXECUTORS, "http", bug)
        logs.configure({"level": "INFO"})
        assert caller.send("buggy").json()["error"]["reason"] == "executor_error"


def read_all(caller: Caller, root: User) -> list[str]:
    """Every answer, every page that shows a call or a secret, and the audit log."""
    staff = APIClient()
    staff.force_login(root)
    urls = [f"/admin/orchestration/toolcall/{call.id}/change/" for call in ToolCall.objects.all()]
    urls += [f"/api/v1/tool-calls/{call.id}/" for call in ToolCall.objects.all()]
    for secret in Secret.objects.all():
        urls += [f"/admin/registry/secret/{secret.id}/{page}/" for page in ("change", "history")]
    pages = [staff.get(url) for url in (*urls, "/api/v1/secrets/")]
    assert {page.status_code for page in pages} == {200}
    audit = json.dumps(list(AuditEvent.objects.values()), default=str)
    return [*caller.answers, *(page.content.decode() for page in pages), audit]


def files(var: Path) -> Iterator[Path]:
    """What is in the home, and the database's own files with their log."""
    yield from (path for path in var.rglob("*") if path.is_file())
    database = Path(str(connection.settings_dict["NAME"]))
    yield from database.parent.glob(f"{database.name}*")


@pytest.mark.usefixtures("planted", "agent")
@pytest.mark.django_db(transaction=True)
def test_no_secret_is_stored_or_emitted(
    team: Team,
    alice: User,
    root: User,
    key: str,
    port: int,
    settings: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    make_tools(team, alice, port)
    caller = Caller(key)
    call_all(caller)
    call_with_a_bug(caller, monkeypatch)
    assert ToolCall.objects.count() == 12
    for name, text in stored().items():
        assert leaks(text) == set(), name
    for text in read_all(caller, root):
        assert leaks(text) == set(), text[:2_000]
        assert settings.SECRETS_KEYS not in text
    out, error = capfd.readouterr()
    assert "executor_failed" in error and "sending" in error
    assert leaks(out) == set() and leaks(error) == set(), error[-3_000:]
    for path in files(settings.VAR):
        raw = path.read_bytes()
        for value in CANARIES.values():
            assert not any(form.encode() in raw for form in forms(value)), path
    used = AuditEvent.objects.filter(event="secret.used")
    assert used.filter(target_name="header_key").exists()
    assert not used.filter(data__tool="ungranted").exists()


def test_only_configuration_is_filled_and_what_isnt_known_is_named() -> None:
    given = Secrets({"a": "value-of-a"})
    assert given.fill({"x": ["Bearer ${secret:a}", 1, None]}) == {
        "x": ["Bearer value-of-a", 1, None]
    }
    with pytest.raises(SecretUnavailable, match="'b'"):
        given.fill("${secret:b}")
    assert "value-of-a" not in repr(given) + str(vars(given).keys())


@pytest.mark.parametrize(
    "value", [*CANARIES.values(), "1234567890", "line-one-of-a-key\nline-two-of-a-key"]
)
def test_scrubbing_knows_the_forms_in_use(value: str) -> None:
    given = Secrets({"a": value})
    within = base64.b64encode(b"user:" + value.encode()).decode()
    for form in forms(value) - {within[8:-4]} | {within}:
        shown = given.scrub(f"<<{form}>>")
        assert form not in shown and within[8:-4] not in shown
    assert given.scrub({value: [value]}) == {MASK: [MASK]}
    assert given.scrub("ordinary text") == "ordinary text"


def test_a_number_that_is_the_secret_is_masked() -> None:
    assert Secrets({"a": "1234567890"}).scrub([1234567890, 12, True]) == [MASK, 12, True]


def test_the_password_of_an_address_is_masked_by_itself() -> None:
    given = Secrets({"dsn": "postgres://app:p%40ssword1@host/db"})
    assert given.scrub("p@ssword1 and p%40ssword1") == f"{MASK} and {MASK}"
