"""One OpenAPI operation becomes one draft."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from registry.importing import bodies, parameters, servers
from registry.importing.bodies import Body
from registry.importing.closing import Closing
from registry.importing.drafts import Draft, Notes, Terms, Unfit
from registry.importing.parameters import Arguments
from registry.importing.reading import storable
from registry.importing.references import References
from registry.importing.schemas import Translator
from registry.importing.security import Schemes

METHODS = ("get", "put", "post", "delete", "patch", "head")
UNMADE = ("options", "trace")
MAX_DESCRIPTION = 8_000
MAX_TAGS = 20
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Found:
    """An operation where the document has it; `name` is the registry's, `own` its own."""

    method: str
    path: str
    item: Mapping[str, Any]
    operation: Mapping[str, Any]
    place: str
    own: str
    name: str = ""


@dataclass(frozen=True)
class Reader:
    """What reading the operations of one document needs."""

    document: Mapping[str, Any]
    source: str
    references: References
    translator: Translator
    requests: Closing
    responses: Closing
    schemes: Schemes
    terms: Terms
    notes: Notes

    def draft(self, found: Found) -> Draft:
        """1. the arguments: parameters and body; 2. their schema and the result's, closed;
        3. address and credentials; 4. the entry. Raises Unfit for what can't be taken over."""
        arguments = Arguments()
        body = self._arguments(arguments, found)
        schema: dict[str, Any] = {"type": "object", "properties": arguments.properties}
        if arguments.required:
            schema["required"] = arguments.required
        closed = self.requests.closed(schema | {"additionalProperties": False}, found.place)
        config, secrets, unready = self._executor(found, arguments, body)
        entry = self._entry(found) | {
            "parameters": closed,
            "result_schema": self._result(found),
            "executor": "http",
            "executor_config": config,
        }
        return Draft(storable(entry), found.place, unready, secrets)

    def _arguments(self, into: Arguments, found: Found) -> Body | None:
        shared = f"{found.place.rsplit('/', 1)[0]}/parameters"
        listed = parameters.listed(
            self.references,
            found.item.get("parameters"),
            found.operation.get("parameters"),
            (shared, f"{found.place}/parameters"),
            self.notes,
        )
        inside = set(_PLACE.findall(found.path))
        for each in [each for each in listed if each.where == "path" and each.own not in inside]:
            self.notes.add(each.place, found.own, "the path has no such place: left out")
            listed.remove(each)
        parameters.gather(into, listed, self.translator, self.notes)
        self._undeclared(into, inside - {each.own for each in listed}, found)
        node = found.operation.get("requestBody")
        place = f"{found.place}/requestBody"
        if node is not None and found.method in ("get", "head"):
            self.notes.add(place, found.own, f"a {found.method.upper()} has no body: left out")
            return None
        return bodies.request(into, node, place, self.references, self.translator, self.notes)

    def _undeclared(self, into: Arguments, names: set[str], found: Found) -> None:
        for own in sorted(names):
            self.notes.add(found.place, found.own, f"the path's {own!r} isn't declared: a text")
            name = into.name(own, "path")
            into.properties[name] = {"type": "string"}
            into.required.append(name)
            into.transport[name] = {"in": "path", "name": own, "style": "simple", "explode": False}

    def _result(self, found: Found) -> Any:
        if not self.terms.results:
            return None
        place = f"{found.place}/responses"
        try:
            schema = bodies.result(
                found.operation.get("responses"),
                place,
                self.references,
                self.translator,
                self.notes,
            )
            return schema if schema is None else self.responses.closed(schema, place)
        except Unfit as unfit:
            told = f"the result's schema is left out: {unfit.reason}"
            self.notes.add(unfit.place, found.own, told)
            return None

    def _executor(
        self, found: Found, arguments: Arguments, body: Body | None
    ) -> tuple[dict[str, Any], tuple[str, ...], str]:
        base = self._base(found)
        requirements = found.operation.get("security", self.document.get("security"))
        credentials = self.schemes.credentials(requirements, f"{found.place}/security", self.notes)
        path, query = _path(found, arguments)
        config: dict[str, Any] = {
            "url": base.url + path,
            "method": found.method.upper(),
            "hosts": list(base.hosts),
            "parameters": arguments.transport,
        }
        if body is not None:
            config["body"] = {"argument": body.argument, "content_type": body.content_type}
        placed = credentials.config()
        if query:
            placed["query"] = query | placed.get("query", {})
        return config | placed, credentials.secrets, base.unready or credentials.unready

    def _base(self, found: Found) -> servers.Base:
        nearest = ((found.operation, found.place), (found.item, found.place.rsplit("/", 1)[0]))
        for holder, place in (*nearest, (self.document, "")):
            if holder.get("servers"):
                where = f"{place}/servers"
                return servers.base(holder["servers"], where, self.terms.url, self.notes)
        return servers.base((), "", self.terms.url, self.notes)

    def _entry(self, found: Found) -> dict[str, Any]:
        operation, reads = found.operation, found.method in ("get", "head")
        summary = operation.get("summary")
        annotations: dict[str, Any] = {
            "readOnlyHint": reads,
            "destructiveHint": found.method in ("delete", "put"),
            "idempotentHint": found.method not in ("post", "patch"),
            "openWorldHint": True,
        }
        if isinstance(summary, str) and summary.strip():
            annotations["title"] = summary.strip()[:200]
        entry: dict[str, Any] = {
            "kind": "tool",
            "name": found.name,
            "description": _description(found),
            "idempotent": found.method not in ("post", "patch"),
            "annotations": annotations,
            "tags": _tags(operation.get("tags")),
        }
        deprecated = operation.get("deprecated") is True
        message = "Its API calls this operation deprecated." if deprecated else ""
        return entry | {
            "deprecated": deprecated,
            "deprecation_message": message,
            "origin": {
                "kind": "openapi",
                "source": self.source,
                "place": found.place,
                "name": found.own,
            },
        }


def _word(argument: str, taken: set[str]) -> str:
    word = re.sub(r"\W", "_", argument)
    while word in taken:
        word += "_"
    return word


def _path(found: Found, arguments: Arguments) -> tuple[str, dict[str, str]]:
    """The path with its places named as the arguments are, and its fixed query. What follows a
    `#` tells operations apart in the document and is never sent."""
    whole, _, _ = found.path.partition("#")
    path, _, query = whole.partition("?")
    if _PLACE.search(query):
        raise Unfit(found.place, "its path has a place inside of the query")
    names: dict[str, str] = {}
    for argument, transport in arguments.transport.items():
        if transport["in"] == "path":
            # A place never travels, so its name is free: a word that no other place has.
            word = _word(argument, set(names.values()))
            names[transport["name"]] = transport["name"] = word
    path = _PLACE.sub(lambda each: "{" + names.get(each[1], each[1]) + "}", path)
    return path if path.startswith("/") else f"/{path}", dict(parse_qsl(query, True))


def _description(found: Found) -> str:
    parts = []
    for key in ("summary", "description"):
        text = found.operation.get(key)
        if isinstance(text, str) and text.strip() and text.strip() not in parts:
            parts.append(text.strip())
    told = "\n\n".join(parts) or f"{found.method.upper()} {found.path}"
    return told if len(told) <= MAX_DESCRIPTION else told[: MAX_DESCRIPTION - 1] + "…"


def _tags(value: Any) -> list[str]:
    words = value if isinstance(value, list) else []
    found = dict.fromkeys(each.strip()[:60] for each in words if isinstance(each, str))
    return [each for each in found if each][:MAX_TAGS]
