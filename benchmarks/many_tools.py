"""Ten thousand tools for a benchmark: the real ones, under the names of made-up systems.

Imported in the process of one database; Django is set up before anything is made.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
RULES = 100
SYSTEMS = (
    "apollo borealis cygnus dorado electra fornax gemini hydra indus juno kepler lyra mensa norma "
    "orion pavo quasar regulus sirius tucana umbra vela wezen xena ymir zeta"
).split()
TEAMS = ("search", "billing", "platform-team", "data")
PERMISSIONS = tuple(f"permission_{number}" for number in range(20))


def read_tools() -> list[dict[str, Any]]:
    """The real tools, one for each name."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((DATA / "mcp-tools").glob("*/*")):
        if path.suffix not in (".json", ".snap"):
            continue
        document = json.loads(path.read_text())
        for each in document if isinstance(document, list) else [document]:
            found.setdefault(each["name"], each | {"system": path.stem, "real": each["name"]})
    return list(found.values())


def repeated(real: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        each = real[number % len(real)]
        turn = number // len(real)
        system = SYSTEMS[turn % len(SYSTEMS)] + (str(turn) if turn >= len(SYSTEMS) else "")
        described = f"{each.get('description') or ''} Of system {system}."
        yield each | {"name": f"{each['name']}_{system}", "description": described}


def schema_of(tool: dict[str, Any]) -> dict[str, Any]:
    if "inputSchema" in tool:
        found: dict[str, Any] = tool["inputSchema"]
        return found
    properties = {
        each["name"]: {"description": each.get("desc", "")} for each in tool.get("arguments", [])
    }
    return {"type": "object", "properties": properties}


def make_world() -> None:
    """Teams, permissions, an agent with half of them, and 100 rules."""
    from governance import policies  # noqa: PLC0415
    from governance.models import Grant, Policy  # noqa: PLC0415
    from registry import keys  # noqa: PLC0415
    from registry.models import Agent, Permission, Team  # noqa: PLC0415

    teams = [Team.objects.create(name=name) for name in TEAMS]
    agent = Agent.objects.create(name="worker", team=teams[0])
    for place, name in enumerate(PERMISSIONS):
        permission = Permission.objects.create(name=name)
        if place % 2:
            Grant.objects.create(
                agent=agent, permission=permission, reason="benchmark", granted_by="alice"
            )
    for number in range(RULES // 5):
        tools: dict[str, Any] = {"permission": PERMISSIONS[number % len(PERMISSIONS)]}
        if number % 4 == 0:
            tools = {"name": [f"create_issue_{system}" for system in SYSTEMS]}
        rules: list[dict[str, Any]] = [
            {"name": "slow", "limit": {"timeout": 30}},
            {"name": "log", "audit": {"executions": "all"}},
            {"name": "dear", "when": "double(tool.cost) > 100.0", "deny": True},
            {"name": "staging", "when": 'environment == "staging" && size(agent.tags) > 9',
             "require_approval": {}},
            {"name": "big", "when": "size(arguments) > 50", "require_approval": {}},
        ]  # fmt: skip
        policy = Policy.objects.create(
            name=f"policy_{number}",
            version="1.0",
            document={"applies_to": {"tools": tools}, "rules": rules},
        )
        policies.publish(policy, by="alice")
        policies.put(policy, "enforced")
    World.key = keys.issue(agent, label="benchmark").text
    World.actor = agent.actor
    World.teams = teams


class World:
    """What the doors are asked with."""

    key = ""
    actor: Any = None
    teams: list[Any] = []


def make_tools(entries: list[dict[str, Any]]) -> None:
    """Publish them, in bulk, and index them."""
    from registry.discovery import rebuild  # noqa: PLC0415
    from registry.models import Permission, Tool, ToolVersion  # noqa: PLC0415

    held = list(Permission.objects.order_by("name"))
    tools = [tool_of(place, each) for place, each in enumerate(entries)]
    Tool.objects.bulk_create(tools, batch_size=500)
    required = Tool.permissions_required.through
    required.objects.bulk_create(
        [
            required(tool_id=tool.id, permission_id=held[place % len(held)].id)
            for place, tool in enumerate(tools)
            if place % 3
        ],
        batch_size=500,
    )
    versions = [version_of(tool) for tool in tools]
    ToolVersion.objects.bulk_create(versions, batch_size=200)
    for tool, version in zip(tools, versions, strict=True):
        tool.live_version = version
    Tool.objects.bulk_update(tools, ["live_version"], batch_size=200)
    rebuild.complete()


def version_of(tool: Any) -> Any:
    from kernel import canonical  # noqa: PLC0415

    from registry import contracts  # noqa: PLC0415
    from registry.models import ToolVersion  # noqa: PLC0415

    document = contracts.document_of(tool)
    return ToolVersion(
        tool=tool, version="1.0", sort_key=10**12, contract=document,
        checksum=canonical.digest(document), published_by="alice",
    )  # fmt: skip


def tool_of(place: int, each: dict[str, Any]) -> Any:
    from registry.models import Tool  # noqa: PLC0415

    return Tool(
        name=each["name"][:64],
        team=World.teams[place % len(World.teams)],
        is_shared=place % 10 != 0,
        description=each.get("description") or each["name"],
        parameters=schema_of(each),
        executor=("http", "mcp", "python")[place % 3],
        version="1.0",
        cost_micros=(place % 50) * 1_000,
        data_class=("public", "internal", "confidential")[place % 3],
        tags=[each["system"], ("read", "write")[place % 2]],
        environments=["staging"] if place % 5 == 0 else [],
    )
