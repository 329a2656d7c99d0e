"""How a tool is called, ready to be copied: with curl, from Python, by an MCP client. Pure."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Snippet:
    """One way to call a tool. `note` says what it needs."""

    id: str
    title: str
    note: str
    text: str


def of(name: str, arguments: Mapping[str, Any], *, base_url: str, mcp: bool) -> tuple[Snippet, ...]:
    """The ways there are. The arguments are quoted: a snippet runs nothing but the call."""
    base = base_url.rstrip("/")
    found = [_curl(name, arguments, base), _python(name, arguments, base)]
    return (*found, _mcp(name, arguments, base)) if mcp else tuple(found)


def _curl(name: str, arguments: Mapping[str, Any], base: str) -> Snippet:
    body = json.dumps({"arguments": arguments}, ensure_ascii=False)
    text = (
        f"curl -X POST {base}/api/v1/tools/{name}/call/ \\\n"
        '  -H "Authorization: Bearer $GATEHOUSE_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(body)}"
    )
    return Snippet("curl", "REST", "GATEHOUSE_KEY is an agent's key.", text)


def _python(name: str, arguments: Mapping[str, Any], base: str) -> Snippet:
    text = (
        "import os\n\nimport httpx\n\n"
        f'platform = httpx.Client(base_url="{base}/api/v1/", headers={{\n'
        '    "Authorization": f"Bearer {os.environ[\'GATEHOUSE_KEY\']}",\n'
        "})\n"
        f'answer = platform.post("tools/{name}/call/", json={{\n'
        f'    "arguments": {_literal(arguments)},\n'
        "})\n"
        "call = answer.json()\n"
        'print(call["status"], call["result"])'
    )
    note = "A refusal is a problem document with its reason; 202 means that people are asked first."
    return Snippet("python", "Python", note, text)


def _literal(value: Mapping[str, Any]) -> str:
    """The arguments as Python writes them: JSON's true and null are other words there."""
    return repr(dict(value))


def _mcp(name: str, arguments: Mapping[str, Any], base: str) -> Snippet:
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }
    note = f"An MCP client with the address {base}/mcp and the same key sends this by itself."
    return Snippet("mcp", "MCP", note, json.dumps(message, indent=2, ensure_ascii=False))
