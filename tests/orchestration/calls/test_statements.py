"""How much one governed call asks of the database. A number that grows is a call that slows."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from governance.models import AuditEvent, LedgerEntry
from orchestration.models import ToolCall
from registry.models import Agent
from tests import factories
from tests.orchestration.calls.rows import make_budget

_NESTED = re.compile(r"\([^()]*\)")
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
READS = ["registry_credential", "registry_tool", "governance_grant", "governance_policy"]
ADMISSION = [
    "BEGIN",
    "orchestration_toolcall",
    "orchestration_toolcallpayload",
    "governance_budget",
    "governance_account",
    "governance_hold",
    "COMMIT",
]
SETTLEMENT = [
    "BEGIN",
    "orchestration_toolcall",
    "orchestration_toolcallpayload",
    "governance_ledgerentry",
    "governance_hold",
    "governance_account",
    "governance_auditevent",
    "COMMIT",
]


class Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.django_db(transaction=True)
def test_a_call_takes_four_questions_and_two_transactions(
    echo: int, agent: Agent, key: str
) -> None:
    factories.grant(agent, "network_access")
    factories.make_tool(
        "echo",
        permissions=("network_access",),
        parameters=SCHEMA,
        executor="http",
        executor_config={
            "url": f"http://127.0.0.1:{echo}/",
            "method": "POST",
            "private_hosts": ["127.0.0.1"],
        },
    )
    make_budget("search_month", agent.team, "1")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")

    def call() -> None:
        body = {"arguments": {"text": "hello"}}
        answer = client.post("/api/v1/tools/echo/call/", body, format="json")
        assert answer.status_code == 200, answer.content
        assert json.loads(answer.content)["result"]["body"] == {"text": "hello"}

    call()
    with CaptureQueriesContext(connection) as asked:
        call()
    found = [_table(query["sql"]) for query in asked.captured_queries]
    assert found == READS + ADMISSION + SETTLEMENT
    assert ToolCall.objects.filter(status="succeeded").count() == 2
    assert LedgerEntry.objects.count() == 2
    assert AuditEvent.objects.filter(event="tool_call.succeeded").count() == 2


def _table(sql: str) -> str:
    """The table that a statement is about, or the transaction's own word."""
    while _NESTED.search(sql):
        sql = _NESTED.sub("", sql)
    words = sql.split()
    if words[0] in ("BEGIN", "COMMIT"):
        return words[0]
    after = {"SELECT": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}[words[0]]
    return words[words.index(after) + 1].strip('"')
