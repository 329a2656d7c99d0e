"""A program that speaks just enough MCP to be opened, and then misbehaves as it was asked to."""

import json
import sys
import time

HOW = sys.argv[1]
TOOL = {"name": "act", "description": "Acts.", "inputSchema": {"type": "object"}}


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write(message):
    say(json.dumps(message))


def answer(request, result):
    write({"jsonrpc": "2.0", "id": request["id"], "result": result})


def listing(request):
    cursor = (request.get("params") or {}).get("cursor")
    if HOW == "endless":
        number = int(cursor or 0) + 1
        tool = TOOL | {"name": f"tool_{number}"}
        return {"tools": [tool], "nextCursor": str(number)}
    if HOW == "circle":
        return {"tools": [TOOL], "nextCursor": "again"}
    if HOW == "twins":
        return {"tools": [TOOL, TOOL | {"description": "Another."}]}
    if HOW == "fat":
        return {"tools": [TOOL | {"description": "x" * (300 << 10)}]}
    if HOW == "many":
        return {"tools": [TOOL | {"name": f"tool_{n}"} for n in range(2_001)]}
    if HOW == "traps":
        schema = {"type": "object", "properties": {"a\0b": {"const": float("inf")}}}
        return {"tools": [TOOL | {"description": "NUL \0 here", "inputSchema": schema}]}
    return {"tools": [TOOL]}


def call(request):
    if HOW == "huge":
        answer(request, {"content": [{"type": "text", "text": "x" * (9 << 20)}]})
    elif HOW == "large":
        answer(request, {"content": [{"type": "text", "text": "x" * (3 << 20)}]})
    elif HOW == "mute":
        time.sleep(600)
    elif HOW == "garbage":
        for _ in range(60):
            say("this is no JSON-RPC")
        time.sleep(600)
    elif HOW == "wrong_id":
        answer({"id": 99_999}, {"content": []})
        time.sleep(600)
    elif HOW == "flood":
        while True:
            write({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    elif HOW == "deep":
        say('{"jsonrpc": "2.0", "id": 1, "result": ' + "[" * 100_000)
        time.sleep(600)
    elif HOW == "shapeless":
        answer(request, {"content": "not a list", "structuredContent": 7})
    elif HOW == "chatty":
        sys.stderr.write("the reason\n")
        sys.exit(4)
    else:
        answer(request, {"content": [{"type": "text", "text": "fine"}]})


if HOW == "never":
    time.sleep(600)
if HOW == "dead":
    sys.stderr.write("no such configuration\n")
    sys.exit(2)
for line in sys.stdin:
    request = json.loads(line)
    method = request.get("method")
    if "id" not in request:
        continue
    if method == "initialize":
        known = {
            "protocolVersion": request["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
        }
        answer(request, known | {"serverInfo": {"name": "hostile", "version": "0"}})
    elif method == "tools/list":
        answer(request, listing(request))
    elif method == "tools/call":
        call(request)
    else:
        error = {"code": -32601, "message": "no such method"}
        write({"jsonrpc": "2.0", "id": request["id"], "error": error})
