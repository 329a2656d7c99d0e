"""The parameters of an OpenAPI operation: arguments, and how each of them travels."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.importing.drafts import Notes, Unfit, pointer
from registry.importing.references import References
from registry.importing.schemas import Translator

STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
KNOWN_STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
# OpenAPI 3.1, 4.8.12.2: these are said elsewhere. The others belong to the connection.
IGNORED = frozenset({"accept", "content-type", "authorization"})
CONNECTION = frozenset(
    "host connection content-length transfer-encoding upgrade te trailer expect "
    "accept-encoding proxy-authorization proxy-connection keep-alive".split()
)
MAX_PARAMETERS = 500
LONGEST = 64


@dataclass
class Arguments:
    """The arguments of one operation, as they are gathered: schemas (not closed yet), which are
    required, and the executor's table of how each travels."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    transport: dict[str, dict[str, Any]] = field(default_factory=dict)

    def name(self, own: str, where: str) -> str:
        """An argument's name in the letters that models may use, free in this operation."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", own).strip("_")[: LONGEST - 10] or where
        for candidate in (plain, f"{plain}_{where}"):
            if candidate not in self.properties:
                return candidate
        number = 2
        while f"{plain}_{number}" in self.properties:
            number += 1
        return f"{plain}_{number}"


@dataclass(frozen=True)
class Parameter:
    """One parameter object, its references followed, and where it stands."""

    own: str
    where: str
    document: Mapping[str, Any]
    place: str


def listed(
    references: References, shared: Any, own: Any, places: tuple[str, str], notes: Notes
) -> list[Parameter]:
    """The path's parameters, each replaced by the operation's of the same name and place."""
    found: dict[tuple[str, str], Parameter] = {}
    for entries, place in zip((shared, own), places, strict=True):
        for parameter in _parameters(references, entries, place, notes):
            found[parameter.own, parameter.where] = parameter
    if len(found) > MAX_PARAMETERS:
        raise Unfit(places[1], f"{len(found)} parameters; at most {MAX_PARAMETERS} are taken over")
    return list(found.values())


def _parameters(
    references: References, entries: Any, place: str, notes: Notes
) -> Iterator[Parameter]:
    if entries is None:
        return
    if not isinstance(entries, list):
        notes.add(place, "", "parameters are a list: left out")
        return
    for index, entry in enumerate(entries):
        at = place + pointer(index)
        try:
            document, where = references.resolved(entry, at)
            yield _parameter(document, where)
        except Unfit as unfit:
            # Without it the request isn't the one that the document describes.
            raise Unfit(at, f"a parameter can't be read: {unfit.reason}") from unfit


def _parameter(document: Any, place: str) -> Parameter:
    if not isinstance(document, dict):
        raise Unfit(place, "it is no object")
    name, where = document.get("name"), document.get("in")
    if not isinstance(name, str) or not name:
        raise Unfit(place, "it has no name")
    if where in ("body", "formData"):
        raise Unfit(place, f"in: {where} is of Swagger 2.0; OpenAPI 3 has requestBody")
    if where not in STYLES:
        raise Unfit(place, f"in: {str(where)[:40]!r} is none of {', '.join(STYLES)}")
    return Parameter(name, where, document, place)


def gather(
    into: Arguments, parameters: list[Parameter], translator: Translator, notes: Notes
) -> None:
    """Add each parameter to the arguments, and how it travels."""
    for parameter in parameters:
        if reason := _left_out(parameter):
            notes.add(parameter.place, "", reason)
            continue
        schema, content_type = _schema(parameter, translator)
        name = into.name(parameter.own, parameter.where)
        into.properties[name] = _described(schema, parameter.document)
        if parameter.where == "path" or parameter.document.get("required") is True:
            into.required.append(name)
        into.transport[name] = _transport(parameter, content_type, notes)


def _left_out(parameter: Parameter) -> str:
    lower = parameter.own.lower()
    if parameter.where != "header":
        return ""
    if lower in IGNORED:
        return f"the header {parameter.own} is set by the request itself"
    if lower in CONNECTION:
        return f"the header {parameter.own} belongs to the connection"
    if not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}", lower):
        return f"{parameter.own[:80]!r} is no name of a header"
    return ""


def _schema(parameter: Parameter, translator: Translator) -> tuple[Any, str]:
    """The parameter's translated schema, and its media type where it has one."""
    content = parameter.document.get("content")
    if isinstance(content, dict) and content:
        media = next(iter(content))
        entry = content[media] if isinstance(content[media], dict) else {}
        place = parameter.place + pointer("content", media, "schema")
        return translator.translate(entry.get("schema", {}), place, "request"), media
    node = parameter.document.get("schema", {})
    return translator.translate(node, parameter.place + "/schema", "request"), ""


def _described(schema: Any, document: Mapping[str, Any]) -> Any:
    """The schema with what the parameter says beside it."""
    told: dict[str, Any] = {}
    if isinstance(description := document.get("description"), str) and description:
        told["description"] = description
    if document.get("deprecated") is True:
        told["deprecated"] = True
    examples = document.get("examples")
    if "example" in document:
        told["examples"] = [document["example"]]
    elif isinstance(examples, dict):
        values = [e["value"] for e in examples.values() if isinstance(e, dict) and "value" in e]
        told |= {"examples": values[:5]} if values else {}
    if not isinstance(schema, dict):
        return schema if not told else told | ({} if schema else {"not": {}})
    return schema | told


def _transport(parameter: Parameter, content_type: str, notes: Notes) -> dict[str, Any]:
    where, document = parameter.where, parameter.document
    found: dict[str, Any] = {"in": where, "name": parameter.own}
    if content_type:
        return found | {"content_type": content_type}
    style = document.get("style", STYLES[where])
    if style not in KNOWN_STYLES[where]:
        notes.add(parameter.place + "/style", "", f"{str(style)[:40]!r} is no style of {where}")
        style = STYLES[where]
    explode = document.get("explode")
    return found | {
        "style": style,
        "explode": explode if isinstance(explode, bool) else style == "form",
    }
