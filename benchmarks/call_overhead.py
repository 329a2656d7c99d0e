"""What governance costs per call: an HTTP echo called through the platform, and directly.

One run starts an echo server and the platform (granian, WSGI, two workers, SQLite in a scratch
home), and calls both from the same client with 1 and with 16 connections. The governed call goes
the whole way: key, contract, schema, policy, budget, three transactions, ledger, audit.

    python benchmarks/call_overhead.py [--seconds 5] [--json]
"""

import argparse
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = (1, 16)
ECHO = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--json", action="store_true")
    options.add_argument("--database", default="", help="postgres://…; empty is SQLite")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        found = run(Path(folder), given.seconds, given.database)
    if given.json:
        print(json.dumps(found))
        return
    for side, figures in (("governed", found["ours"]), ("direct", found["peers"]["direct"])):
        for connections, one in figures.items():
            print(f"{side:9} c={connections:3} {one['calls_per_s']:9.1f}/s  p50 {one['p50_ms']} ms")


def run(folder: Path, seconds: float, database: str) -> dict[str, Any]:
    """All sides, measured one after the other on the same machine."""
    echo_port, port = free_port(), free_port()
    (folder / "echo.py").write_text(ECHO)
    environment = os.environ | {
        "GATEHOUSE_HOME": str(folder),
        "DATABASE_URL": database,
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}:{folder}",
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    key = prepare(environment, echo_port)
    echo = ["--interface", "asgi", "--port", str(echo_port), "echo:app"]
    ours = ["--interface", "wsgi", "--workers", "2", "--blocking-threads", "8"]
    ours += ["--port", str(port), "portal.wsgi:application"]
    body = json.dumps({"text": "hello"}).encode()
    call = json.dumps({"arguments": {"text": "hello"}}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with served(echo, environment, echo_port), served(ours, environment, port):
        direct = {c: measure(echo_port, "/", body, {}, c, seconds) for c in CONNECTIONS}
        path = "/api/v1/tools/echo/call/"
        governed = {c: measure(port, path, call, headers, c, seconds) for c in CONNECTIONS}
    return {
        "name": "call_overhead",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        + ("PostgreSQL" if database else "SQLite"),
        "ours": governed,
        "peers": {"direct": direct},
        "ratio": {
            f"calls_per_s at c={c}": round(governed[c]["calls_per_s"] / direct[c]["calls_per_s"], 4)
            for c in CONNECTIONS
        },
    }


PREPARE = """
import sys, django
django.setup()
from governance import policies
from governance.models import Budget, Grant, Policy
from registry import keys, publishing
from registry.models import Agent, Permission, Team, Tool
team = Team.objects.create(name="search")
agent = Agent.objects.create(name="worker", team=team)
permission = Permission.objects.create(name="network_access")
Grant.objects.create(agent=agent, permission=permission, reason="benchmark", granted_by="alice")
tool = Tool.objects.create(
    name="echo", team=team, description="Echo.", executor="http", version="1.0",
    cost_micros=1_000,
    parameters={"type": "object", "properties": {"text": {"type": "string"}},
                "required": ["text"], "additionalProperties": False},
    executor_config={"url": f"http://127.0.0.1:{sys.argv[1]}/", "method": "POST",
                     "private_hosts": ["127.0.0.1"]},
)
tool.permissions_required.add(permission)
publishing.publish(tool, by="alice")
Budget.objects.create(name="search_month", team=team, limit_micros=10**15)
policy = Policy.objects.create(
    name="network", version="1.0",
    document={"applies_to": {"agents": {"permission": "network_access"}}, "rules": [
        {"name": "time", "message": "30 s", "limit": {"timeout": 30}},
        {"name": "on_record", "message": "Log all", "audit": {"executions": "all"}},
        {"name": "short", "message": "Too long", "deny": True,
         "when": "size(arguments.text) > 10000"}]},
)
policies.publish(policy, by="alice")
policies.put(policy, "enforced")
print(keys.issue(agent, label="benchmark").text)
"""


def prepare(environment: Mapping[str, str], echo_port: int) -> str:
    """A team, its agent, a priced tool under a policy and a budget; the agent's key."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, str(echo_port)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip().rsplit("\n", 1)[-1]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@contextmanager
def served(words: list[str], environment: Mapping[str, str], port: int) -> Iterator[None]:
    """granian with these words, once it listens."""
    command = [sys.executable, "-m", "granian", "--no-ws", "--log-level", "error", *words]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def measure(
    port: int,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    connections: int,
    seconds: float,
) -> dict[str, float]:
    """Calls per second and the median over kept connections, after a second of warming."""
    taken: list[float] = []
    until = time.monotonic() + 1 + seconds
    begin = time.monotonic() + 1

    def work() -> None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        own: list[float] = []
        while (started := time.perf_counter()) and time.monotonic() < until:
            client.request("POST", path, body, dict(headers))
            response = client.getresponse()
            answer = response.read()
            if response.status != 200 or b"hello" not in answer:
                raise RuntimeError(f"{response.status}: {answer[:300]!r}")
            if time.monotonic() > begin:
                own.append(time.perf_counter() - started)
        taken.extend(own)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not taken:
        raise RuntimeError("No call succeeded.")
    taken.sort()
    return {
        "calls_per_s": round(len(taken) / seconds, 1),
        "p50_ms": round(statistics.median(taken) * 1000, 2),
        "p95_ms": round(taken[int(len(taken) * 0.95)] * 1000, 2),
    }


if __name__ == "__main__":
    main()
