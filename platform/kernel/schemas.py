"""JSON Schema (2020-12): is this one, and does a value fit it. Faults carry JSON pointers."""

import json
from functools import cache, lru_cache
from typing import Any

import jsonschema_rs

from kernel.problems import Issue

MAX_FAULTS = 20


def faults_of_schema(schema: Any) -> tuple[Issue, ...]:
    """What keeps `schema` from being a JSON Schema of an object; empty when nothing does."""
    if not isinstance(schema, dict):
        return (Issue("", "a JSON Schema is an object"),)
    found = _issues(_meta().iter_errors(schema))
    return found or _faults_of_build(schema)


@cache
def _meta() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    )


def _faults_of_build(schema: dict[str, Any]) -> tuple[Issue, ...]:
    try:
        _build(schema)
    except jsonschema_rs.ValidationError as error:
        return (Issue(pointer(error.instance_path), error.message),)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return (Issue("", str(error)),)
    return ()


def faults_of_value(value: Any, schema: dict[str, Any]) -> tuple[Issue, ...]:
    """Where and why `value` doesn't fit `schema`, at most 20 faults."""
    # Not canonical JSON: that writes integers beyond 2**53 as texts, which are no bounds.
    validator = _cached(json.dumps(schema, sort_keys=True, default=str))
    return _issues(validator.iter_errors(value))


def _refuse_remote(uri: str) -> Any:
    raise ValueError(
        f"$ref {uri!r} points outside of the schema; only local references are allowed"
    )


def _build(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        schema, retriever=_refuse_remote, validate_formats=True
    )


@lru_cache(maxsize=4096)
def _cached(text: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(text, retriever=_refuse_remote, validate_formats=True)


def _issues(errors: Any) -> tuple[Issue, ...]:
    found = []
    for error in errors:
        found.append(Issue(pointer(error.instance_path), error.message[:500]))
        if len(found) == MAX_FAULTS:
            break
    return tuple(found)


def pointer(path: list[str | int]) -> str:
    """The path as a JSON pointer (RFC 6901); the empty string is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def with_defaults(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """`value` with the defaults that the schema's own properties declare for what is missing."""
    properties = schema.get("properties", {})
    declared = {
        name: entry["default"]
        for name, entry in properties.items()
        if isinstance(entry, dict) and "default" in entry
    }
    return declared | value
