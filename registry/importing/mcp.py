"""What an MCP server answers to `tools/list` (specification 2025-06-18) becomes drafts.

Catalogues of servers also list tools as `{name, description, arguments: [{name, type, desc,
optional}]}`; these are read too.
"""

from typing import Any

from registry.importing import lists
from registry.importing.drafts import Draft, Imported, Notes, Terms, pointer
from registry.importing.reading import storable
from registry.importing.soundness import standalone

KIND = "mcp"
_HINTS = ("title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


def read(tools: Any, server: str, *, terms: Terms | None = None) -> Imported:
    """The drafts of a tool list (or of the whole answer that holds it) of the server that is
    registered as `server`. What a server says of itself is no promise: nothing is declared
    idempotent because its hints say so. Raises Refused."""
    notes = Notes()

    def make(tool: dict[str, Any], place: str, own: str, name: str) -> Draft:
        return _draft(tool, place, own, name, server, notes)

    entries = lists.tools(tools, "tools")
    drafts = tuple(lists.drafts(entries, make, terms or Terms(), notes))
    return Imported(drafts, notes.all(), KIND, server)


def _draft(
    tool: dict[str, Any], place: str, own: str, name: str, server: str, notes: Notes
) -> Draft:
    if "inputSchema" not in tool and isinstance(tool.get("arguments"), list):
        schema: Any = _listed(tool["arguments"], f"{place}/arguments", own, notes)
        where = f"{place}/arguments"
    else:
        schema, where = tool.get("inputSchema"), f"{place}/inputSchema"
    result = tool.get("outputSchema")
    if result is not None:
        result = standalone(result, f"{place}/outputSchema", own, notes)
    entry = lists.entry_of(tool, name, own, {"kind": KIND, "source": server, "place": place})
    return Draft(
        entry
        | {
            "parameters": storable(standalone(schema, where, own, notes)),
            "result_schema": storable(result),
            "executor": "mcp",
            "executor_config": {"server": server, "tool": own},
            "annotations": storable(_annotations(tool)),
        },
        place,
    )


def _annotations(tool: dict[str, Any]) -> dict[str, Any]:
    """The hints that MCP knows, each of the type that it has; a tool's title is one of them."""
    said = tool.get("annotations")
    hints = said if isinstance(said, dict) else {}
    found: dict[str, Any] = {}
    for key in _HINTS:
        kind = str if key == "title" else bool
        if isinstance(hints.get(key), kind):
            found[key] = hints[key]
    if isinstance(tool.get("title"), str):
        found["title"] = tool["title"]
    return found


def _listed(arguments: list[Any], place: str, own: str, notes: Notes) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for index, each in enumerate(arguments):
        name = each.get("name") if isinstance(each, dict) else None
        if not isinstance(name, str):
            notes.add(place + pointer(index), own, "an argument has a name: left out")
            continue
        told = each.get("desc") or each.get("description")
        described = {"description": told} if isinstance(told, str) else {}
        kept = {key: each[key] for key in ("type", "items", "enum", "default") if key in each}
        properties[name] = kept | described
        if each.get("optional") is not True and each.get("required") is not False:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}
