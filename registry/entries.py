"""A tool's catalogue entry as somebody sends it: read into plain JSON, with its shape checked."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from kernel import documents
from kernel.problems import Invalid, Issue

from registry.models.agents import NAME
from registry.validation import RESERVED

__all__ = ["RESERVED", "is_name", "read"]


def read(document: Any, name: str | None = None) -> dict[str, Any]:
    """The entry as plain JSON. Raises Invalid with the place of each fault in its shape; what it
    says is judged by whoever publishes it. `name` is the tool that it has to be about."""
    if not isinstance(document, dict):
        raise Invalid("Write a tool's catalogue entry.", errors=(Issue("", "write an object"),))
    entry = _plain(document)
    issues = list(_faults(entry, name))
    if issues:
        raise Invalid("This is no tool's catalogue entry.", errors=tuple(issues))
    return entry


def is_name(text: str) -> bool:
    """Whether a tool can bear this name."""
    try:
        NAME(text)
    except ValidationError:
        return False
    return text not in RESERVED


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """Through JSON and back: YAML reads dates and other keys than text; neither travels."""
    try:
        text = json.dumps(document, default=str, allow_nan=False)
        if len(text) > documents.MAX_TEXT:
            raise Invalid(f"An entry has at most {documents.MAX_TEXT} characters.")
        if "\\u0000" in text:
            raise Invalid("An entry holds no NUL characters.")
        found: dict[str, Any] = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid(f"The entry can't be written as JSON: {error}") from error
    return found


def _faults(entry: dict[str, Any], name: str | None) -> list[Issue]:
    found = []
    if entry.get("kind") != "tool":
        found.append(Issue("/kind", "write tool"))
    said = entry.get("name")
    if not isinstance(said, str) or not (is_name(said) or said in RESERVED):
        found.append(Issue("/name", str(NAME.message)))
    elif name is not None and said != name:
        found.append(Issue("/name", f"this is about the tool {name!r}"))
    if not isinstance(entry.get("owner"), str):
        found.append(Issue("/owner", "write the name of the team that owns it"))
    if not isinstance(entry.get("version"), str):
        found.append(Issue("/version", 'write it as text, such as "1.0"'))
    return found + _faults_of_kinds(entry)


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("description", "executor", "data_class", "release_notes"), (str,)),
    **dict.fromkeys(("audit", "idempotent", "shared", "deprecated", "pure"), (bool,)),
    **dict.fromkeys(("parameters", "executor_config", "sandbox_config", "origin"), (dict,)),
    **dict.fromkeys(("retry", "rate_limit", "circuit_breaker", "annotations"), (dict,)),
    **dict.fromkeys(("examples", "tags", "environments", "permissions_required"), (list,)),
    "result_schema": (dict, bool, type(None)),
    "compensation": (dict, type(None)),
}
_WORDS = {str: "text", bool: "true or false", dict: "an object", list: "a list"}


def _faults_of_kinds(entry: dict[str, Any]) -> list[Issue]:
    """What a validator would stumble over instead of telling it."""
    found = [
        Issue(f"/{key}", f"write {_WORDS[kinds[0]]}")
        for key, kinds in _KINDS.items()
        if key in entry and not isinstance(entry[key], kinds)
    ]
    for key in ("tags", "permissions_required"):
        values = entry.get(key)
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if not isinstance(value, str):
                found.append(Issue(f"/{key}/{index}", "write text"))
    return found
