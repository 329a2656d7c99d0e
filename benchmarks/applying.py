"""What planning and applying one large import costs, on each database.

The document has so many operations, which share schemas; it is read, planned and applied to an
empty registry, then once more unchanged, then with a new optional argument for each tool, which is
another version of each. All of it as any import: in one transaction, with audit and search index.

Run by `python benchmarks/imports.py --apply 2000`.
"""

import json
from typing import Any

import apart
import stage

HALF = 2
"""Half as many tools are applied too: twice the tools may take twice the time, not four times."""


def measure(tools: int) -> dict[str, Any]:
    """Figures by database: SQLite, and PostgreSQL where this machine has it."""
    return {name: _grown(address, tools) for name, address in apart.databases()}


def _grown(address: str, tools: int) -> dict[str, Any]:
    half, whole = (_of(address, size) for size in (tools // HALF, tools))
    growth = whole["create"]["seconds"] / half["create"]["seconds"]
    return whole | {"create_time_for_twice_the_tools": round(growth, 2)}


def _of(address: str, tools: int) -> dict[str, Any]:
    """By itself, so that its peak of memory is its own too."""
    fresh = stage.database(address, f"apply_{tools}") if address else ""
    return apart.run("measured_applying.py", [str(tools)], fresh)


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
