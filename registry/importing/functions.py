"""Function lists of model APIs become drafts: OpenAI's three forms, and Anthropic's tools.

    {"type": "function", "function": {"name", "description", "parameters"}}     chat completions
    {"type": "function", "name", "description", "parameters"}                   responses
    {"name", "description", "parameters"}                                       the bare function
    {"name", "description", "input_schema"}                                     Anthropic

They say what a tool is, not how it is called: unless the importer gives an address, they become
drafts that somebody completes.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from registry.importing import lists, servers
from registry.importing.drafts import Draft, Imported, Notes, Terms, Unfit
from registry.importing.reading import storable
from registry.importing.soundness import standalone

OPENAI, ANTHROPIC = "openai", "anthropic"
UNREADY = (
    "the format doesn't say how the tool is called: give a base address (url), "
    "or complete the draft's executor by hand"
)
Unwrap = Callable[[dict[str, Any], str], tuple[dict[str, Any], str]]


def read_openai(document: Any, *, source: str = "", terms: Terms | None = None) -> Imported:
    """The drafts of OpenAI's function JSON in any of its forms. Raises Refused."""
    return _read(document, OPENAI, "parameters", _function, source, terms or Terms())


def read_anthropic(document: Any, *, source: str = "", terms: Terms | None = None) -> Imported:
    """The drafts of Anthropic's tool JSON. Raises Refused."""
    return _read(document, ANTHROPIC, "input_schema", _tool, source, terms or Terms())


def _read(
    document: Any, kind: str, key: str, unwrap: Unwrap, source: str, terms: Terms
) -> Imported:
    notes, base = Notes(), servers.given(terms.url) if terms.url else None
    entries = []
    for entry, place in lists.tools(document, "tools", "functions"):
        try:
            entries.append(unwrap(entry, place) if isinstance(entry, dict) else (entry, place))
        except Unfit as unfit:
            notes.add(unfit.place, str(entry.get("name", "")), unfit.reason, part=False)

    def make(tool: dict[str, Any], place: str, own: str, name: str) -> Draft:
        schema = standalone(tool.get(key), f"{place}/{key}", own, notes)
        origin = {"kind": kind, "source": source, "place": place}
        entry = lists.entry_of(tool, name, own, origin) | {"parameters": storable(schema)}
        if base is None:
            return Draft(entry, place, UNREADY)
        config = {
            "url": f"{base.url}/{quote(own, safe='')}",
            "method": "POST",
            "hosts": list(base.hosts),
        }
        return Draft(entry | {"executor": "http", "executor_config": config}, place)

    return Imported(tuple(lists.drafts(entries, make, terms, notes)), notes.all(), kind, source)


def _function(entry: dict[str, Any], place: str) -> tuple[dict[str, Any], str]:
    kind = entry.get("type", "function")
    inner = entry.get("function")
    if isinstance(inner, dict):
        return inner, f"{place}/function"
    if kind not in ("function", "object"):
        raise Unfit(place, f"a tool of type {str(kind)[:40]!r} runs at its provider")
    if "input_schema" in entry and "parameters" not in entry:
        raise Unfit(place, "this is Anthropic's form: import it as such")
    return entry, place


def _tool(entry: dict[str, Any], place: str) -> tuple[dict[str, Any], str]:
    kind = entry.get("type", "custom")
    if kind not in (None, "custom"):
        raise Unfit(place, f"a tool of type {str(kind)[:40]!r} runs at its provider")
    if "input_schema" not in entry:
        raise Unfit(place, "it has no input_schema, which Anthropic's form asks for")
    return entry, place
