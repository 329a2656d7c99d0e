"""Schemas that come out of an import are valid, or they don't come out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kernel import schemas

from registry.importing import enums, keywords
from registry.importing.closing import MAX_SCHEMAS, Closing, measured
from registry.importing.drafts import Draft, Notes, Unfit
from registry.importing.references import References
from registry.importing.schemas import Translator, inner_schemas


def sound(draft: Draft, notes: Notes) -> Draft:
    """The draft, whose schemas the validator takes. Raises Unfit with the place in the entry."""
    for part in ("parameters", "result_schema"):
        schema = draft.entry.get(part)
        if schema is None or schema is True:
            continue
        faults = schemas.faults_of_schema(schema)
        if faults:
            told = f"{part}{faults[0].pointer}: {faults[0].message[:200]}"
            raise Unfit(draft.place, f"its schema can't be made valid: {told}")
    refused = _refused_defaults(draft.entry["parameters"])
    for name in refused:
        told = f"the default of {name[:80]!r} is left out: its own schema refuses it"
        notes.add(draft.place, draft.name, told)
    return _without_defaults(draft, refused) if refused else draft


def _refused_defaults(schema: dict[str, Any]) -> list[str]:
    """Arguments whose default their schema refuses. A call that leaves one out is given it, so
    that no such call would be let through."""
    given = schemas.with_defaults({}, schema)
    if not given:
        return []
    # Alone: what the whole object demands, such as other arguments, is no matter of the default.
    alone = {"properties": {name: schema["properties"][name] for name in given}}
    alone |= {"$defs": schema["$defs"]} if "$defs" in schema else {}
    if not schemas.faults_of_value(given, alone):
        return []
    return [name for name, value in given.items() if schemas.faults_of_value({name: value}, alone)]


def _without_defaults(draft: Draft, names: list[str]) -> Draft:
    schema = draft.entry["parameters"]
    kept = {
        name: {key: value for key, value in each.items() if key != "default"}
        if name in names
        else each
        for name, each in schema["properties"].items()
    }
    parameters = schema | {"properties": kept}
    return replace(draft, entry=dict(draft.entry) | {"parameters": parameters})


def standalone(schema: Any, place: str, name: str, notes: Notes) -> dict[str, Any]:
    """A schema that stands for itself, as it is where the validator takes it, else translated,
    with what that changed noted. It always describes an object. Raises Unfit."""
    if schema is None:
        return {"type": "object", "properties": {}}
    if not isinstance(schema, dict):
        raise Unfit(place, "a schema is an object")
    size = measured(schema).size
    if size > MAX_SCHEMAS:
        raise Unfit(place, f"it holds {size} schemas; at most {MAX_SCHEMAS} are taken over")
    if _stands(schema):
        return schema
    return _translated(schema, place, name, notes)


def _stands(schema: dict[str, Any]) -> bool:
    """Whether it can stay as it is: valid, of an object, and without a default that would be
    refused when it is filled in."""
    if schema.get("type") != "object" or schemas.faults_of_schema(schema):
        return False
    if any(enums.contradicts(each) for each in _all(schema)):
        return False
    for each in schema.get("properties", {}).values():
        types = each.get("type") if isinstance(each, dict) else None
        if types is not None and "default" in each:
            kinds = types if isinstance(types, list) else [types]
            if not keywords.is_of(each["default"], kinds):
                return False
    return True


def _all(schema: Any) -> Iterator[Any]:
    stack = [schema]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(inner_schemas(node))


def _translated(schema: dict[str, Any], place: str, name: str, notes: Notes) -> dict[str, Any]:
    own = Notes()
    translator = Translator(References(schema), own)
    found = translator.translate(schema, "", "value")
    try:
        closed = Closing(translator, "value").closed(found, "")
    except Unfit as unfit:
        raise Unfit(place + unfit.place, unfit.reason) from unfit
    for each in own.found:
        notes.add(place + each.place, name, each.reason)
    kind = closed.get("type") if isinstance(closed, dict) else None
    if isinstance(closed, dict) and (kind is None or kind == "object"):
        return {"type": "object"} | ({} if closed else {"properties": {}}) | closed
    raise Unfit(place, "the arguments of a tool are an object")
