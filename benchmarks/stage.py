"""What the benchmarks of calls share: an echo, the platform as in production, and a tool."""

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
WORKERS, THREADS = 2, 4
CALL = b'{"arguments": {"text": "hello"}}'
PATH = "/api/v1/tools/echo/call/"
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
    size = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
# A hundred rules of 25 policies: two of them apply to the call, the rest to other tools.
PREPARE = """
import sys, django
django.setup()
from kernel.actor import SYSTEM, acting
from governance import policies
from governance.models import Budget, Grant, Policy
from registry import keys, publishing
from registry.models import Agent, Permission, Team, Tool
with acting(SYSTEM):
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
    for number in range(25):
        applies_to = {"tools": {"name": f"tool_{number}"}}
        if number < 2:
            applies_to = {"agents": {"permission": "network_access"}}
        policy = Policy.objects.create(
            name=f"policy_{number}", version="1.0",
            document={"applies_to": applies_to, "rules": [
                {"name": "time", "message": "30 s", "limit": {"timeout": 30}},
                {"name": "on_record", "message": "Log all", "audit": {"executions": "all"}},
                {"name": "long", "message": "Too long", "deny": True,
                 "when": "size(arguments.text) > 10000"},
                {"name": "ask", "message": "Ask", "require_approval": {},
                 "when": 'environment == "production" && arguments.text.contains("drop")'}]},
        )
        policies.publish(policy, by="alice")
        policies.put(policy, "enforced")
    print(keys.issue(agent, label="benchmark").text)
"""


def machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def database(server: str, name: str) -> str:
    """A new database on the server; its address."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server.rsplit('/', 1)[0]}/{name}"


def environment(folder: Path, address: str) -> dict[str, str]:
    """For processes of the platform with their home in the folder."""
    return os.environ | {
        "GATEHOUSE_HOME": str(folder),
        "DATABASE_URL": address,
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}:{folder}",
    }


def prepare(settings: Mapping[str, str], echo_port: int) -> str:
    """Migrate, and make a team, its agent, a priced tool under a hundred rules, and a budget;
    the agent's key."""
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(migrate, cwd=ROOT, env=dict(settings), check=True)
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, str(echo_port)],
        cwd=ROOT,
        env=dict(settings),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.strip().rsplit("\n", 1)[-1]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@contextmanager
def served(
    words: list[str], settings: Mapping[str, str], port: int, folder: Path = ROOT
) -> Iterator[None]:
    """The command, once its port listens; its output goes to a file in the folder's parent."""
    process = subprocess.Popen(
        words, cwd=folder, env=dict(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"{' '.join(words[:6])} didn't start") from None
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def granian(*words: str) -> list[str]:
    return [sys.executable, "-m", "granian", "--no-ws", "--log-level", "error", *words]


@contextmanager
def echo(folder: Path) -> Iterator[int]:
    """An upstream that answers with what it was sent; its port."""
    (folder / "echo.py").write_text(ECHO)
    port = free_port()
    settings = os.environ | {"PYTHONPATH": str(folder)}
    words = granian("--interface", "asgi", "--port", str(port), "echo:app")
    with served(words, settings, port, folder):
        yield port


@contextmanager
def ours(settings: Mapping[str, str], *, threads: int = THREADS) -> Iterator[int]:
    """The platform as README has it in production: granian, WSGI, two workers; its port."""
    port = free_port()
    words = ["--interface", "wsgi", "--workers", str(WORKERS), "--blocking-threads", str(threads)]
    words += ["--port", str(port), "portal.wsgi:application"]
    with served(granian(*words), settings, port):
        yield port
