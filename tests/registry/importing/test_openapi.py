"""OpenAPI operations become HTTP tools whose arguments travel as the document says."""

from pathlib import Path
from typing import Any

import pytest
from kernel import schemas

from orchestration.executors import described
from registry.importing import openapi, reading
from registry.importing.drafts import Draft, Imported, Refused, Terms

PETSTORE = Path(__file__).parent / "documents" / "petstore.yaml"


@pytest.fixture(scope="module")
def petstore() -> Imported:
    return openapi.read_text(PETSTORE.read_bytes())


def draft(imported: Imported, name: str) -> Draft:
    return next(each for each in imported.drafts if each.name == name)


def document(path: str = "/a", method: str = "get", **operation: Any) -> dict[str, Any]:
    return {
        "openapi": operation.pop("openapi", "3.1.0"),
        "info": {"title": "Test", "version": "1"},
        "servers": operation.pop("servers", [{"url": "https://api.example"}]),
        "components": operation.pop("components", {}),
        "paths": {path: {method: {"responses": {}} | operation}},
    }


def only(found: dict[str, Any], **terms: Any) -> dict[str, Any]:
    imported = openapi.read(found, terms=Terms(**terms))
    assert len(imported.drafts) == 1, imported.skipped
    return dict(imported.drafts[0].entry)


def body_schema(schema: Any, version: str = "3.0.3", **components: Any) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": schema}}}
    entry = only(
        document(
            method="post",
            openapi=version,
            requestBody=body,
            components={"schemas": components},
        )
    )
    assert not schemas.faults_of_schema(entry["parameters"])
    found: dict[str, Any] = entry["parameters"]["properties"]["body"]
    return found


def test_each_operation_is_a_tool_and_its_own_name_is_kept(petstore: Imported) -> None:
    names = {each.name: each.entry["origin"]["name"] for each in petstore.drafts}
    assert names == {
        "get_pet_by_id": "getPetById",
        "put_pet": "putPet",
        "post_pets": "POST /pets",
    }
    assert not [each for each in petstore.skipped if not each.part]
    assert petstore.source == "Petstore"


def test_the_address_is_the_servers_with_its_variables_and_places(petstore: Imported) -> None:
    config = draft(petstore, "get_pet_by_id").entry["executor_config"]
    assert config["url"] == "https://eu.pets.example/v1/pets/{pet_id}"
    assert config["method"] == "GET"
    assert config["hosts"] == ["eu.pets.example"]


def test_each_argument_travels_in_its_own_way(petstore: Imported) -> None:
    entry = draft(petstore, "get_pet_by_id").entry
    assert entry["executor_config"]["parameters"] == {
        "pet-id": {"in": "path", "name": "pet_id", "style": "simple", "explode": False},
        "fields": {"in": "query", "name": "fields[]", "style": "form", "explode": False},
        "X-Trace": {"in": "header", "name": "X-Trace", "style": "simple", "explode": False},
    }
    assert entry["parameters"]["required"] == ["pet-id"]
    assert entry["parameters"]["additionalProperties"] is False


def test_security_becomes_a_placeholder_of_a_secret(petstore: Imported) -> None:
    found = draft(petstore, "get_pet_by_id")
    assert found.entry["executor_config"]["headers"] == {"X-Key": "${secret:petstore_key}"}
    assert found.secrets == ("petstore_key",)


def test_a_recursive_schema_keeps_a_definition_and_validates(petstore: Imported) -> None:
    entry = draft(petstore, "put_pet").entry
    schema = entry["parameters"]
    assert list(schema["$defs"]) == ["Pet"]
    good = {"pet-id": "1", "body": {"name": None, "age": 1, "friends": [{"name": "Tom"}]}}
    assert not schemas.faults_of_value(good, schema)
    bad = {"pet-id": "1", "body": {"name": "Rex", "age": 0, "friends": [{}]}}
    pointers = {issue.pointer for issue in schemas.faults_of_value(bad, schema)}
    assert pointers == {"/body/age", "/body/friends/0"}


def test_what_is_read_only_is_of_the_result_alone(petstore: Imported) -> None:
    sent = draft(petstore, "put_pet").entry["parameters"]["$defs"]["Pet"]
    assert "id" not in sent["properties"] and sent["required"] == ["name"]
    got = draft(petstore, "get_pet_by_id").entry["result_schema"]["$defs"]["Pet"]
    assert got["required"] == ["id", "name"]


def test_methods_tell_what_is_idempotent_and_hints(petstore: Imported) -> None:
    get, put, post = (
        draft(petstore, name).entry for name in ("get_pet_by_id", "put_pet", "post_pets")
    )
    assert (get["idempotent"], put["idempotent"], post["idempotent"]) == (True, True, False)
    assert get["annotations"]["readOnlyHint"] is True
    assert get["annotations"]["title"] == "One pet"
    assert put["deprecated"] is True
    assert get["tags"] == ["pets"]


def test_a_body_that_nobody_writes_from_a_value_is_a_text(petstore: Imported) -> None:
    entry = draft(petstore, "post_pets").entry
    assert entry["parameters"]["properties"]["body"]["type"] == "string"
    assert entry["executor_config"]["body"] == {
        "argument": "body",
        "content_type": "application/xml",
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"nullable": True, "allOf": [{"type": "object"}]},
            {"anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]},
        ),
        (
            {"type": "number", "maximum": 3, "exclusiveMaximum": True},
            {"type": "number", "exclusiveMaximum": 3},
        ),
        (
            {"type": "number", "maximum": 3, "exclusiveMaximum": False},
            {"type": "number", "maximum": 3},
        ),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}}),
        (
            {"oneOf": [{"type": "string"}], "discriminator": {"propertyName": "k"}},
            {"oneOf": [{"type": "string"}]},
        ),
        (
            {"type": "array", "items": [{"type": "string"}]},
            {"type": "array", "prefixItems": [{"type": "string"}]},
        ),
        ({"type": "object", "xml": {"name": "x"}, "x-own": 1}, {"type": "object"}),
        ({"type": "int"}, {"type": "integer"}),
        ({"type": "wombat"}, {}),
        ({"type": "string", "pattern": "[a-"}, {"type": "string"}),
        ({"type": "string", "minLength": "3"}, {"type": "string", "minLength": 3}),
        ({"type": "object", "required": True}, {"type": "object"}),
        (
            {"type": "object", "properties": {"a": {"type": "string", "required": True}}},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        ({"type": "string", "default": None}, {"type": ["string", "null"], "default": None}),
        ({"type": "integer", "default": "10"}, {"type": "integer", "default": 10}),
        ({"type": "boolean", "default": "false"}, {"type": "boolean", "default": False}),
        ({"type": "string", "default": 1}, {"type": "string", "default": "1"}),
        ({"type": "integer", "default": "all"}, {"type": "integer"}),
        (
            {"type": "integer", "maximum": 9223372036854775807},
            {"type": "integer", "maximum": 9.223372036854775807e18},
        ),
    ],
)
def test_the_dialect_of_3_0_is_translated(schema: Any, expected: Any) -> None:
    assert body_schema(schema) == expected


def test_references_are_written_out_where_that_is_finite() -> None:
    found = body_schema(
        {"properties": {"a": {"$ref": "#/components/schemas/A"}}},
        A={"type": "array", "items": {"$ref": "#/components/schemas/B"}},
        B={"type": "string"},
    )
    assert found == {"properties": {"a": {"type": "array", "items": {"type": "string"}}}}


def test_what_stands_beside_a_reference_counts_in_3_1() -> None:
    schema = {"$ref": "#/components/schemas/A", "description": "Mine.", "minLength": 2}
    found = body_schema(schema, "3.1.0", A={"type": "string"})
    assert found == {"description": "Mine.", "minLength": 2, "allOf": [{"type": "string"}]}
    assert body_schema(schema, "3.0.0", A={"type": "string"}) == {
        "type": "string",
        "description": "Mine.",
    }


def test_a_schema_that_doubles_at_each_step_stays_small() -> None:
    steps = 60
    components = {
        f"S{index}": {
            "properties": {
                name: {"$ref": f"#/components/schemas/S{index + 1}"} for name in ("a", "b", "c")
            }
        }
        for index in range(steps)
    }
    entry = only(
        document(
            method="post",
            requestBody={
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}
            },
            components={"schemas": components | {f"S{steps}": {"type": "string"}}},
        )
    )
    assert len(entry["parameters"]["$defs"]) == steps + 1


@pytest.mark.parametrize("target", ["other.json#/a", "https://evil.example/a.json", "#/no/where"])
def test_what_lies_outside_is_never_fetched_and_is_told(target: str) -> None:
    body = {"content": {"application/json": {"schema": {"$ref": target}}}}
    imported = openapi.read(document(method="post", requestBody=body))
    assert imported.drafts[0].entry["parameters"]["properties"]["body"] == {}
    [told] = imported.skipped
    assert told.place == "/paths/~1a/post/requestBody/content/application~1json/schema/$ref"
    assert target in told.reason


def test_a_circle_of_references_alone_is_told() -> None:
    components = {"parameters": {"A": {"$ref": "#/components/parameters/A"}}}
    found = document(parameters=[{"$ref": "#/components/parameters/A"}], components=components)
    imported = openapi.read(found)
    assert not imported.drafts
    assert "circle" in imported.skipped[0].reason
    assert imported.skipped[0].place == "/paths/~1a/get/parameters/0"


def test_a_relative_server_needs_an_address() -> None:
    imported = openapi.read(document(servers=[{"url": "/v2"}]))
    assert "relative" in imported.drafts[0].unready
    entry = only(document(servers=[{"url": "/v2"}]), url="https://host.example:8443/v2/")
    assert entry["executor_config"]["url"] == "https://host.example:8443/v2/a"
    assert entry["executor_config"]["hosts"] == ["host.example:8443"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://u:p@host/", "nowhere", "https://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        openapi.read(document(), terms=Terms(url=url))
    assert refused.value.place == "/url"


def test_arguments_of_one_name_stay_apart() -> None:
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "id", "in": "query", "schema": {"type": "integer"}},
        {"name": "body", "in": "query", "schema": {"type": "string"}},
    ]
    body = {"content": {"application/json": {}}, "required": True}
    entry = only(document("/a/{id}", "post", parameters=parameters, requestBody=body))
    assert list(entry["parameters"]["properties"]) == ["id", "id_query", "body", "body_request"]
    assert entry["executor_config"]["parameters"]["id_query"]["name"] == "id"
    assert entry["executor_config"]["body"]["argument"] == "body_request"


def test_places_in_a_path_that_no_word_fits_are_renamed_on_both_sides() -> None:
    parameters = [{"name": "a b", "in": "path", "required": True, "schema": {"type": "string"}}]
    config = only(document("/x/{a b}/{more}", parameters=parameters))["executor_config"]
    assert config["url"] == "https://api.example/x/{a_b}/{more}"
    assert config["parameters"]["a_b"]["name"] == "a_b"
    assert config["parameters"]["more"]["in"] == "path"


@pytest.mark.parametrize(
    ("found", "place", "reason"),
    [
        ([], "", "is an object"),
        ({"swagger": "2.0"}, "/swagger", "Swagger 2.0"),
        ({"openapi": "3.2.0"}, "/openapi", "3.2.0"),
        ({"info": {}}, "/openapi", "missing"),
        ({"openapi": "3.0.0", "paths": []}, "/paths", "object"),
    ],
)
def test_what_is_no_openapi_document_is_refused(found: Any, place: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        openapi.read(found)
    assert refused.value.place == place
    assert reason in refused.value.why


def test_too_many_operations_are_refused_until_they_are_narrowed() -> None:
    found = document()
    found["paths"] = {f"/{n % 3}/{n}": {"get": {}} for n in range(openapi.MAX_OPERATIONS + 1)}
    with pytest.raises(Refused, match="2001 operations"):
        openapi.read(found)
    assert len(openapi.read(found, terms=Terms(only="/1/")).drafts) == 667


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "empty"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "beyond"),
        (b"[" * 5_000, "nests deeper"),
        (b"[" * 300 + b"]" * 300, "nests deeper"),
        (b"\xff\xfe", "UTF-8"),
        (b"a: [1", "no YAML: line"),
        (b"a: &x [*x]", "levels"),
        (b"x: {<<: {a: 1}}", "merge"),
        (b"a: !!python/object:os.system x", "no YAML"),
        (b"a: .inf", "float"),
    ],
)
def test_a_text_that_cannot_be_read_says_where(raw: bytes, told: str) -> None:
    with pytest.raises(Refused) as refused:
        reading.document(raw)
    assert told in refused.value.why


def test_aliases_cannot_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(Refused, match="with its aliases"):
        reading.document("\n".join(lines).encode())


def test_yaml_keeps_texts_as_texts() -> None:
    found = reading.document(b"a: 2020-01-01\n200: {ok: yes}\n")
    assert found == {"a": "2020-01-01", "200": {"ok": True}}


def test_what_no_database_stores_is_replaced() -> None:
    entry = only(document(summary="a\0b\ud800", tags=["x\0"]))
    assert entry["description"] == "a\ufffdb\ufffd"
    assert entry["tags"] == ["x\ufffd"]


def test_an_imported_tool_makes_the_request_that_its_document_describes(
    petstore: Imported,
) -> None:
    def fill(value: Any) -> Any:
        filled = {"X-Key": "k"}
        return filled if value == {"X-Key": "${secret:petstore_key}"} else value

    config = draft(petstore, "get_pet_by_id").entry["executor_config"]
    arguments = {"pet-id": "a b", "fields": ["x", "y"], "X-Trace": "t"}
    made = described.request(config, arguments, fill)
    assert made.method == "GET"
    assert made.url == "https://eu.pets.example/v1/pets/a%20b?fields%5B%5D=x,y"
    assert (made.headers["x-trace"], made.fixed["x-key"]) == ("t", "k")
    put = draft(petstore, "put_pet").entry["executor_config"]
    sent = described.request(put, {"pet-id": "1", "body": {"name": "Rex"}}, fill)
    assert sent.method == "PUT" and b'"Rex"' in (sent.body or b"")
