"""OpenAPI 3.0 and 3.1 documents: each operation becomes a draft of an HTTP tool.

Parsers that there are (openapi-pydantic, prance, openapi-spec-validator) read a document whole
or not at all, expand references without a bound, and don't translate schemas: a registry needs
the operations that are sound, and for each of the others its place and the reason.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from registry.importing import names, reading, servers
from registry.importing.closing import Closing
from registry.importing.drafts import (
    Draft,
    Imported,
    Notes,
    Refused,
    Terms,
    Unfit,
    pointer,
)
from registry.importing.operations import METHODS, UNMADE, Found, Reader
from registry.importing.references import References
from registry.importing.schemas import Translator
from registry.importing.security import Schemes
from registry.importing.soundness import sound

KIND = "openapi"
MAX_OPERATIONS = 2_000
MAX_SECONDS = 45.0


def read(document: Any, *, source: str = "", terms: Terms | None = None) -> Imported:
    """The drafts of a parsed document. `source` names it among its like (its title, unless told).

    Raises Refused with the place for a document that is none, Swagger 2.0, or more operations
    than are taken over at once; operations that don't fit are skipped, each with its reason.
    """
    terms, notes = terms or Terms(), Notes()
    version = _version(document)
    if terms.url:
        servers.given(terms.url)
    source = source or _title(document)
    references = References(document)
    reader = _reader(document, source, references, version.startswith("3.0"), terms, notes)
    found = _wanted(list(_operations(document, references, notes)), terms)
    given = names.fitted([each.own for each in found], prefix=terms.prefix)
    named = [replace(each, name=name) for each, name in zip(found, given, strict=True)]
    if isinstance(document.get("webhooks"), dict) and document["webhooks"]:
        notes.add("/webhooks", "", "webhooks are calls to others, not tools")
    drafts = tuple(_drafts(named, reader, notes))
    return Imported(drafts, notes.all(), KIND, source)


def read_text(raw: bytes, *, source: str = "", terms: Terms | None = None) -> Imported:
    """The drafts of a document in JSON or YAML. Raises Refused."""
    return read(reading.document(raw), source=source, terms=terms)


def _version(document: Any) -> str:
    if not isinstance(document, dict):
        raise Refused("", "an OpenAPI document is an object")
    if "swagger" in document:
        told = f"Swagger {str(document['swagger'])[:10]} isn't read: convert it to OpenAPI 3 first"
        raise Refused("/swagger", f"{told}, with swagger2openapi for example")
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
        told = "isn't read; OpenAPI 3.0 and 3.1 are" if "openapi" in document else "is missing"
        raise Refused("/openapi", f"the version {str(version)[:20]!r} {told}")
    if not isinstance(document.get("paths", {}), dict):
        raise Refused("/paths", "paths are an object")
    return version


def _title(document: Mapping[str, Any]) -> str:
    info = document.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    return str(title)[:200] if isinstance(title, str) and title.strip() else "api"


def _reader(
    document: Mapping[str, Any],
    source: str,
    references: References,
    old: bool,
    terms: Terms,
    notes: Notes,
) -> Reader:
    translator = Translator(references, notes, old=old)
    return Reader(
        document=document,
        source=source,
        references=references,
        translator=translator,
        requests=Closing(translator, "request"),
        responses=Closing(translator, "response"),
        schemes=Schemes(document, references, source),
        terms=terms,
        notes=notes,
    )


def _operations(
    document: Mapping[str, Any], references: References, notes: Notes
) -> Iterator[Found]:
    for path, node in document.get("paths", {}).items():
        place = pointer("paths", path)
        if path.startswith("x-"):
            continue
        try:
            item, _ = references.resolved(node, place)
        except Unfit as unfit:
            notes.add(unfit.place, path, unfit.reason, part=False)
            continue
        if not isinstance(item, dict):
            notes.add(place, path, "a path is an object of operations", part=False)
            continue
        yield from _of_path(path, item, place, notes)


def _of_path(path: str, item: Mapping[str, Any], place: str, notes: Notes) -> Iterator[Found]:
    for method, operation in item.items():
        at = place + pointer(method)
        if method in UNMADE:
            notes.add(at, f"{method.upper()} {path}", "no tool makes such requests", part=False)
        elif method in METHODS and not isinstance(operation, dict):
            notes.add(at, f"{method.upper()} {path}", "an operation is an object", part=False)
        elif method in METHODS:
            own = operation.get("operationId")
            said = isinstance(own, str) and own.strip()
            yield Found(
                method, path, item, operation, at, own if said else f"{method.upper()} {path}"
            )


def _wanted(found: list[Found], terms: Terms) -> list[Found]:
    if terms.only:
        found = [each for each in found if _is_wanted(each, terms.only)]
    if len(found) > MAX_OPERATIONS:
        told = f"{len(found)} operations; at most {MAX_OPERATIONS} are imported at once"
        raise Refused("/paths", f"{told}: narrow them down by path, tag or name (only)")
    return found


def _is_wanted(found: Found, only: str) -> bool:
    tags = found.operation.get("tags")
    words = [found.path, found.own, *(tags if isinstance(tags, list) else [])]
    return any(isinstance(word, str) and word.startswith(only) for word in words)


def _drafts(named: list[Found], reader: Reader, notes: Notes) -> Iterator[Draft]:
    ends = time.monotonic() + MAX_SECONDS
    for found in named:
        if time.monotonic() > ends:
            told = f"reading takes more than {MAX_SECONDS:g} s: narrow the operations down (only)"
            raise Refused(found.place, told)
        try:
            yield sound(reader.draft(found), notes)
        except Unfit as unfit:
            place = unfit.place or found.place
            notes.add(place, found.own, unfit.reason, part=False)
