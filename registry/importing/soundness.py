"""Schemas that come out of an import are valid, or they don't come out."""

from typing import Any

from kernel import schemas

from registry.importing import keywords
from registry.importing.closing import MAX_SCHEMAS, Closing, measured
from registry.importing.drafts import Draft, Notes, Unfit
from registry.importing.references import References
from registry.importing.schemas import Translator


def sound(draft: Draft) -> Draft:
    """The draft, whose schemas the validator takes. Raises Unfit with the place in the entry."""
    for part in ("parameters", "result_schema"):
        schema = draft.entry.get(part)
        if schema is None or schema is True:
            continue
        faults = schemas.faults_of_schema(schema)
        if faults:
            told = f"{part}{faults[0].pointer}: {faults[0].message[:200]}"
            raise Unfit(draft.place, f"its schema can't be made valid: {told}")
    return draft


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
    for each in schema.get("properties", {}).values():
        types = each.get("type") if isinstance(each, dict) else None
        if types is not None and "default" in each:
            kinds = types if isinstance(types, list) else [types]
            if not keywords.is_of(each["default"], kinds):
                return False
    return True


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
