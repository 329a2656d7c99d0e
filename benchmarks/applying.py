"""What planning and applying one large import costs, on each database.

The document has so many operations, which share schemas; it is read, planned and applied to an
empty registry, then once more unchanged, then with a new optional argument for each tool, which is
another version of each. All of it as any import: in one transaction, with audit and search index.

Run by `python benchmarks/imports.py --apply 2000`.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HALF = 2
"""Half as many tools are applied too: twice the tools may take twice the time, not four times."""


def measure(tools: int) -> dict[str, Any]:
    """Figures by database: SQLite, and PostgreSQL where this machine has it."""
    sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
    from tests import services  # noqa: PLC0415 - pytest is needed for PostgreSQL alone

    found = {"sqlite": _grown("", tools)}
    try:
        with services.postgresql() as address:
            found["postgresql"] = _grown(address, tools)
    except services.Missing as missing:
        print(missing, file=sys.stderr)
    return found


def _grown(address: str, tools: int) -> dict[str, Any]:
    half, whole = (_in_process(address, size) for size in (tools // HALF, tools))
    growth = whole["create"]["seconds"] / half["create"]["seconds"]
    return whole | {"create_time_for_twice_the_tools": round(growth, 2)}


def _in_process(address: str, tools: int) -> dict[str, Any]:
    """In a process and home of its own, so that its peak of memory is its own too."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        environment = os.environ | {
            "GATEHOUSE_HOME": folder,
            "DATABASE_URL": _fresh(address, tools),
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
        }
        Path(folder, "var").mkdir()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        words = [sys.executable, "-m", "benchmarks.applying", str(tools)]
        done = subprocess.run(
            words, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _fresh(address: str, tools: int) -> str:
    if not address:
        return ""
    from benchmarks import stage  # noqa: PLC0415 - psycopg is needed for PostgreSQL alone

    return stage.database(address, f"apply_{tools}")


def document(tools: int, *, more: bool = False) -> bytes:
    """An OpenAPI document of so many operations; with `more`, each takes one more argument."""
    paths: dict[str, Any] = {}
    for number in range(tools):
        path = f"/area{number % 20}/things{number // 4}/{{id}}"
        method = ("get", "put", "post", "delete")[number % 4]
        paths.setdefault(path, {})[method] = _operation(number, method, more)
    thing = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 80},
            "size": {"type": "integer", "minimum": 0},
            "kind": {"type": "string", "enum": ["small", "large"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "owner": {"$ref": "#/components/schemas/Owner"},
        },
    }
    owner = {
        "type": "object",
        "properties": {"email": {"type": "string"}, "id": {"type": "string"}},
    }
    return json.dumps(
        {
            "openapi": "3.0.3",
            "info": {"title": "Things", "version": "1"},
            "servers": [{"url": "https://api.example.com/v1"}],
            "security": [{"key": []}],
            "paths": paths,
            "components": {
                "schemas": {"Thing": thing, "Owner": owner},
                "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
            },
        }
    ).encode()


def _operation(number: int, method: str, more: bool) -> dict[str, Any]:
    names = ["limit", "cursor", *(["fields"] if more else [])]
    thing = {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
    body = {"requestBody": {"content": thing}} if method in ("put", "post") else {}
    return body | {
        "operationId": f"{method}Thing{number}",
        "summary": f"{method.title()} the thing of area {number % 20}, number {number}.",
        "tags": [f"area{number % 20}"],
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            *({"name": name, "in": "query", "schema": {"type": "string"}} for name in names),
        ],
        "responses": {"200": {"description": "The thing.", "content": thing}},
    }


def _measured(tools: int) -> dict[str, Any]:
    import django  # noqa: PLC0415 - in the process of one database alone

    django.setup()
    from kernel.actor import SYSTEM, acting  # noqa: PLC0415

    from registry.importing import planning, texts  # noqa: PLC0415
    from registry.models import Team  # noqa: PLC0415

    figures: dict[str, Any] = {"tools": tools}
    with acting(SYSTEM):
        team = Team.objects.create(name="search")
    rounds = {"create": False, "unchanged": False, "update": True}
    for name, more in rounds.items():
        raw = document(tools, more=more)
        reading, imported = _timed(lambda raw=raw: texts.read_text("openapi", raw, "things"))
        before, _ = _timed(lambda read=imported: planning.plan(read, team))
        with _counted() as statements:
            seconds, made = _timed(lambda read=imported: planning.apply(read, team, SYSTEM))
        acts = {act: len(made.of(act)) for act in ("create", "update", "unchanged")}
        figures[name] = {
            "read_seconds": round(reading, 2),
            "plan_seconds": round(before, 2),
            "seconds": round(seconds, 2),
            "statements_per_tool": round(statements[0] / tools, 2),
            "acts": {act: count for act, count in acts.items() if count},
        }
        figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return figures


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


@contextmanager
def _counted() -> Iterator[list[int]]:
    from django.db import connection  # noqa: PLC0415

    count = [0]

    def counting(execute: Any, *rest: Any) -> Any:
        count[0] += 1
        return execute(*rest)

    with connection.execute_wrapper(counting):
        yield count


if __name__ == "__main__":
    print(json.dumps(_measured(int(sys.argv[1]))))
