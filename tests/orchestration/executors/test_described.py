"""Arguments travel as an OpenAPI description says, to a real server on loopback."""

import json
from collections.abc import Callable
from email.parser import BytesParser
from typing import Any

import pytest

from orchestration.executors import described
from orchestration.executors.described import Unfit
from registry.models import Agent
from tests import factories
from tests.orchestration.executors.calling import ANYTHING, call, fault, value
from tests.orchestration.executors.test_http import port

__all__ = ["port"]

COLOURS = ["blue", "black"]
RGB = {"R": 100, "G": 200}


def request(
    url: str, arguments: dict[str, Any], *, method: str = "GET", **config: Any
) -> described.Described:
    given = config | {"url": f"https://host.example{url}", "method": method}
    return described.request(given, arguments, lambda text: text)


# OpenAPI 3.1, 4.8.12.6, and RFC 6570 where that leaves a cell open.
@pytest.mark.parametrize(
    ("style", "explode", "given", "expected"),
    [
        ("simple", False, "a b", "a%20b"),
        ("simple", False, COLOURS, "blue,black"),
        ("simple", True, COLOURS, "blue,black"),
        ("simple", False, RGB, "R,100,G,200"),
        ("simple", True, RGB, "R=100,G=200"),
        ("label", False, "blue", ".blue"),
        ("label", False, COLOURS, ".blue,black"),
        ("label", True, COLOURS, ".blue.black"),
        ("label", True, RGB, ".R=100.G=200"),
        ("matrix", False, "blue", ";c=blue"),
        ("matrix", False, COLOURS, ";c=blue,black"),
        ("matrix", True, COLOURS, ";c=blue;c=black"),
        ("matrix", False, RGB, ";c=R,100,G,200"),
        ("matrix", True, RGB, ";R=100;G=200"),
        ("simple", False, True, "true"),
        ("simple", False, 1.5, "1.5"),
    ],
)
def test_a_place_in_the_path(style: str, explode: bool, given: Any, expected: str) -> None:
    table = {"c": {"in": "path", "name": "c", "style": style, "explode": explode}}
    assert request("/x/{c}/y", {"c": given}, parameters=table).url.endswith(f"/x/{expected}/y")


@pytest.mark.parametrize(
    ("style", "explode", "given", "expected"),
    [
        ("form", True, "a&b=c", "c=a%26b%3Dc"),
        ("form", True, "", "c="),
        ("form", True, COLOURS, "c=blue&c=black"),
        ("form", False, COLOURS, "c=blue,black"),
        ("form", False, ["a,b", "c"], "c=a%2Cb,c"),
        ("form", True, RGB, "R=100&G=200"),
        ("form", False, RGB, "c=R,100,G,200"),
        ("spaceDelimited", False, COLOURS, "c=blue%20black"),
        ("spaceDelimited", True, COLOURS, "c=blue&c=black"),
        ("pipeDelimited", False, COLOURS, "c=blue%7Cblack"),
        ("deepObject", True, RGB, "c%5BR%5D=100&c%5BG%5D=200"),
        ("deepObject", True, {"a": {"b": [1, 2]}}, "c%5Ba%5D%5Bb%5D=1&c%5Ba%5D%5Bb%5D=2"),
        ("form", True, [], ""),
    ],
)
def test_a_parameter_of_the_query(style: str, explode: bool, given: Any, expected: str) -> None:
    table = {"c": {"in": "query", "name": "c", "style": style, "explode": explode}}
    assert request("/x", {"c": given}, parameters=table).url.partition("?")[2] == expected


def test_headers_and_cookies() -> None:
    table = {
        "ids": {"in": "header", "name": "X-Ids", "style": "simple", "explode": False},
        "rgb": {"in": "header", "name": "X-Rgb", "style": "simple", "explode": True},
        "who": {"in": "cookie", "name": "who", "style": "form", "explode": True},
    }
    found = request(
        "/x",
        {"ids": [1, 2], "rgb": RGB, "who": "a;b"},
        parameters=table,
        cookies={"session": "fixed"},
        headers={"X-Own": "1"},
    )
    assert found.headers == {"x-ids": "1,2", "x-rgb": "R=100,G=200"}
    assert found.fixed == {"x-own": "1", "cookie": "who=a%3Bb; session=fixed"}


def test_a_value_with_a_media_type_travels_as_that() -> None:
    table = {"f": {"in": "query", "name": "f", "content_type": "application/json"}}
    assert request("/x", {"f": {"a": 1}}, parameters=table).url.endswith("?f=%7B%22a%22%3A%201%7D")


@pytest.mark.parametrize("given", ["..", ".", "", "../admin", "a/../b", "..\\b", "a\nb", [], "a\0"])
def test_no_argument_leads_out_of_its_place(given: Any) -> None:
    table = {"id": {"in": "path", "name": "id", "style": "simple", "explode": False}}
    with pytest.raises(Unfit):
        request("/users/{id}/files", {"id": given}, parameters=table)
    if isinstance(given, str):
        with pytest.raises(Unfit):
            request("/users/{id}/files", {"id": given})


@pytest.mark.parametrize("given", ["@evil.example/", "//evil.example", "a?b#c", "%2e%2e", "a:b@c"])
def test_no_argument_reaches_the_host_or_the_query(given: str) -> None:
    table = {"id": {"in": "path", "name": "id", "style": "simple", "explode": False}}
    found = request("/users/{id}", {"id": given}, parameters=table).url
    assert found.startswith("https://host.example/users/")
    assert found.count("/") == 4
    assert not set("?#@") & set(found)


def test_a_place_in_the_host_is_refused() -> None:
    table = {"id": {"in": "path", "name": "id", "style": "simple", "explode": False}}
    config = {"url": "https://{id}.host.example/x", "parameters": table}
    with pytest.raises(Unfit):
        described.request(config, {"id": "evil"}, lambda text: text)


def test_what_the_tool_sets_itself_is_not_said_again() -> None:
    table = {"more": {"in": "query", "name": "more", "style": "form", "explode": True}}
    fixed = {"query": {"api_key": "k"}, "parameters": table}
    with pytest.raises(Unfit):
        request("/x", {"more": {"api_key": "mine"}}, **fixed)
    assert request("/x", {"more": {"a": 1}}, **fixed).url.endswith("/x?a=1&api_key=k")
    cookie = {"more": {"in": "cookie", "name": "more", "style": "form", "explode": True}}
    with pytest.raises(Unfit):
        request("/x", {"more": {"s": "mine"}}, parameters=cookie, cookies={"s": "k"})


def test_secrets_are_put_into_the_configuration_alone() -> None:
    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(item) for name, item in value.items()}
        return value.replace("${secret:KEY}", "s3cr3t")

    config = {
        "url": "https://host.example/${secret:KEY}/{id}",
        "parameters": {"id": {"in": "path", "name": "id"}, "h": {"in": "header", "name": "X-H"}},
        "headers": {"Authorization": "Bearer ${secret:KEY}"},
        "query": {"key": "${secret:KEY}"},
    }
    found = described.request(config, {"id": "${secret:KEY}", "h": "${secret:KEY}"}, fill)
    assert found.url == "https://host.example/s3cr3t/%24%7Bsecret%3AKEY%7D?key=s3cr3t"
    assert found.headers == {"x-h": "${secret:KEY}"}
    assert found.fixed == {"authorization": "Bearer s3cr3t"}


@pytest.fixture
def make(port: int, db: None) -> Callable[..., None]:
    def publish(path: str, method: str, **config: Any) -> None:
        factories.make_tool(
            "pets",
            executor="http",
            executor_config={
                "url": f"http://127.0.0.1:{port}{path}",
                "method": method,
                "private_hosts": ["127.0.0.1"],
            }
            | config,
            parameters=ANYTHING,
            sandbox_config={"timeout": 2},
        )

    return publish


BODY = {"argument": "body", "content_type": "application/json"}


def test_a_json_body_and_a_path_reach_the_server(agent: Agent, make: Callable[..., None]) -> None:
    table = {"petId": {"in": "path", "name": "petId"}, "verbose": {"in": "query", "name": "v"}}
    make("/pets/{petId}", "PUT", parameters=table, body=BODY)
    told = value(call(agent, "pets", petId="a/b", verbose=True, body={"é": [1]}))["body"]
    assert (told["method"], told["path"]) == ("PUT", "/pets/a%2Fb?v=true")
    assert json.loads(told["body"]) == {"é": [1]}
    assert told["headers"]["content-type"] == "application/json"


def test_a_form_reaches_the_server(agent: Agent, make: Callable[..., None]) -> None:
    kind = "application/x-www-form-urlencoded"
    make("/pets", "POST", body=BODY | {"content_type": kind})
    told = value(call(agent, "pets", body={"name": "a&b", "tags": ["x", "y"], "o": {"k": 1}}))[
        "body"
    ]
    assert told["headers"]["content-type"] == kind
    assert told["body"] == "name=a%26b&tags=x&tags=y&o=%7B%22k%22%3A%201%7D"


def test_parts_reach_the_server(agent: Agent, make: Callable[..., None]) -> None:
    make("/pets", "POST", body=BODY | {"content_type": "multipart/form-data"})
    given = {'na"me\r\nX: 1': "v", "tags": ["x", "y"], "o": {"k": 1}}
    told = value(call(agent, "pets", body=given))["body"]
    head = f"Content-Type: {told['headers']['content-type']}\r\n\r\n"
    parts: Any = BytesParser().parsebytes((head + told["body"]).encode()).get_payload()
    names = [part.get_param("name", header="content-disposition") for part in parts]
    assert names == ["na%22me%0D%0AX: 1", "tags", "tags", "o"]
    assert [part.get_payload() for part in parts] == ["v", "x", "y", '{"k": 1}']


def test_a_text_body_travels_as_it_is(agent: Agent, make: Callable[..., None]) -> None:
    make("/pets", "POST", body=BODY | {"content_type": "application/xml"})
    told = value(call(agent, "pets", body="<a/>"))["body"]
    assert (told["body"], told["headers"]["content-type"]) == ("<a/>", "application/xml")


def test_an_argument_that_nothing_tells_of_is_refused(
    agent: Agent, make: Callable[..., None]
) -> None:
    make("/pets", "GET", parameters={"a": {"in": "query", "name": "a"}})
    assert fault(call(agent, "pets", b=1)) == "invalid_request"


def test_a_header_that_steers_the_connection_is_refused(
    agent: Agent, make: Callable[..., None]
) -> None:
    make("/pets", "GET", parameters={"h": {"in": "header", "name": "Host"}})
    assert fault(call(agent, "pets", h="evil.example")) == "invalid_request"


def test_the_tools_own_headers_stay_with_its_host(
    agent: Agent, make: Callable[..., None], port: int
) -> None:
    make(
        f"/to/http__localhost:{port}/echo",
        "GET",
        parameters={},
        headers={"X-Token": "s3cr3t", "Accept": "text/plain"},
        private_hosts=["127.0.0.1", "localhost"],
    )
    told = value(call(agent, "pets"))["body"]
    assert told["headers"]["accept"] == "text/plain"
    assert "x-token" not in told["headers"]
