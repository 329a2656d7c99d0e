"""What an OpenAPI operation sends and gets: its request body and its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.importing.drafts import Notes, Unfit, pointer
from registry.importing.parameters import Arguments
from registry.importing.references import References
from registry.importing.schemas import Translator

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"


@dataclass(frozen=True)
class Body:
    """How the body travels: from which argument, as what."""

    argument: str
    content_type: str


def request(
    into: Arguments,
    node: Any,
    place: str,
    references: References,
    translator: Translator,
    notes: Notes,
) -> Body | None:
    """Add the body as one argument. Raises Unfit where it can't be sent at all."""
    if node is None:
        return None
    document, place = references.resolved(node, place)
    if not isinstance(document, dict):
        raise Unfit(place, "a request body is an object")
    content = document.get("content")
    if not isinstance(content, dict) or not content:
        notes.add(place, "", "the request body has no content: left out")
        return None
    media = _preferred(content)
    entry = content[media] if isinstance(content[media], dict) else {}
    kind = _kind(media)
    schema = _schema(entry, kind, place + pointer("content", media), translator)
    name = into.name("body", "request")
    told = {"description": document["description"]} if _text(document, "description") else {}
    into.properties[name] = schema | told if isinstance(schema, dict) else schema
    if document.get("required") is True:
        into.required.append(name)
    return Body(name, JSON if media in ("*/*", "") else media)


def _text(document: Mapping[str, Any], key: str) -> bool:
    return isinstance(document.get(key), str) and bool(document[key])


def _schema(entry: Mapping[str, Any], kind: str, place: str, translator: Translator) -> Any:
    if kind == "raw":
        # Nothing here writes XML and its like from a value: the text itself is the argument.
        told = "The body as text, written as its media type asks."
        return {"type": "string", "description": told}
    return translator.translate(entry.get("schema", {}), place + "/schema", "request")


def _preferred(content: Mapping[str, Any]) -> str:
    """JSON before forms before texts; the document's own order among equals."""
    ranks = {"json": 0, "form": 1, "multipart": 2, "raw": 3}
    return min(content, key=lambda media: ranks[_kind(media)])


def _kind(media: str) -> str:
    plain = media.partition(";")[0].strip().lower()
    if plain == "*/*" or plain == JSON or plain.endswith(("+json", "/json")):
        return "json"
    if plain in ("application/*", "text/json"):
        return "json"
    return {FORM: "form", MULTIPART: "multipart"}.get(plain, "raw")


def result(
    node: Any, place: str, references: References, translator: Translator, notes: Notes
) -> Any:
    """The schema of what the HTTP executor returns, `{status, headers, url, body}`, not closed
    yet; None where the document doesn't say it for every answer that means success."""
    if not isinstance(node, dict):
        return None
    codes = [code for code in node if str(code).upper().startswith("2")]
    if not codes and "default" in node:
        codes = ["default"]
    bodies: list[Any] = []
    for code in codes:
        try:
            found = _answered(node[code], place + pointer(code), references, translator)
        except Unfit as unfit:
            notes.add(unfit.place, "", f"the result's schema is left out: {unfit.reason}")
            return None
        if found is None:
            return None
        if found not in bodies:
            bodies.append(found)
    if not bodies:
        return None
    body = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
    properties = {"status": {"type": "integer"}, "body": body}
    return {"type": "object", "properties": properties, "required": ["status", "body"]}


def _answered(node: Any, place: str, references: References, translator: Translator) -> Any:
    document, place = references.resolved(node, place)
    content = document.get("content") if isinstance(document, dict) else None
    if not isinstance(content, dict) or not content:
        return {"type": "string"}
    found = []
    for media, entry in content.items():
        if _kind(media) != "json" or not isinstance(entry, dict) or "schema" not in entry:
            return None
        at = place + pointer("content", media, "schema")
        found.append(translator.translate(entry["schema"], at, "response"))
    return found[0] if len(found) == 1 else {"anyOf": found}
