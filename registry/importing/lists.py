"""Lists of tools in JSON: where a document keeps them, and what every kind of list shares."""

from collections.abc import Callable, Iterator
from typing import Any

from registry.importing import names
from registry.importing.drafts import Draft, Notes, Refused, Terms, Unfit, pointer
from registry.importing.reading import storable
from registry.importing.soundness import sound

MAX_TOOLS = 2_000
MAX_DESCRIPTION = 8_000
Make = Callable[[dict[str, Any], str, str, str], Draft]
"""What makes a draft: of the tool's document, its place, its own name, and the registry's."""


def tools(document: Any, *keys: str) -> list[tuple[Any, str]]:
    """The tools of a document, each with its pointer: a list, an object with one under one of
    `keys` (or under `result`, as JSON-RPC answers), or one tool alone. Raises Refused."""
    found = [(document, "")] if isinstance(document, dict) else None
    if isinstance(document, list):
        found = _each(document, "")
    elif isinstance(document, dict):
        holder, place = document, ""
        if isinstance(document.get("result"), dict):
            holder, place = document["result"], "/result"
        for key in keys:
            if isinstance(holder.get(key), list):
                found = _each(holder[key], place + pointer(key))
                break
    if found is None:
        raise Refused("", "this is no list of tools")
    if len(found) > MAX_TOOLS:
        raise Refused("", f"{len(found)} tools; at most {MAX_TOOLS} are imported at once")
    return found


def _each(entries: list[Any], place: str) -> list[tuple[Any, str]]:
    return [(entry, place + pointer(index)) for index, entry in enumerate(entries)]


def drafts(
    entries: list[tuple[Any, str]], make: Make, terms: Terms, notes: Notes
) -> Iterator[Draft]:
    """A draft of each entry that has a name; the others, and what `make` refuses, are noted."""
    named = []
    for entry, place in entries:
        own = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(own, str) or not own.strip():
            notes.add(place, "", "a tool is an object with a name", part=False)
        elif own.startswith(terms.only):
            named.append((entry, place, own))
    for (entry, place, own), name in zip(
        named, names.fitted([own for _, _, own in named], prefix=terms.prefix), strict=True
    ):
        try:
            yield sound(make(entry, place, own, name), notes)
        except Unfit as unfit:
            notes.add(unfit.place or place, own, unfit.reason, part=False)


def entry_of(tool: dict[str, Any], name: str, own: str, origin: dict[str, str]) -> dict[str, Any]:
    """What each kind of list says in the same way."""
    description = tool.get("description")
    text = description.strip() if isinstance(description, str) else ""
    entry: dict[str, Any] = {
        "kind": "tool",
        "name": name,
        "description": text[:MAX_DESCRIPTION] or own,
        "origin": origin | {"name": own},
    }
    found: dict[str, Any] = storable(entry)
    return found
