"""What nobody caught is answered in the caller's own format, and tells only where to look."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import portal.urls
import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_protect
from kernel.api import Door
from portal.urls import handler400, handler403, handler404, handler500
from rest_framework.request import Request
from rest_framework.response import Response

from registry.models import Agent

# With portal.urls' own, so that the addresses below are answered as the platform's are.
__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

PROBLEM = "application/problem+json"


class Broken(Door):
    def get(self, request: Request) -> Response:
        raise RuntimeError("hunter2 in table secrets")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("hunter2 in table secrets")


def denied(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


@csrf_protect
def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


urlpatterns = [
    path("api/v1/broken/", Broken.as_view()),
    *(path(f"{place}broken-view/", broken) for place in ("api/v1/", "")),
    *(path(f"{place}denied/", denied) for place in ("api/v1/", "")),
    *(path(f"{place}form/", form) for place in ("api/v1/", "")),
    *portal.urls.urlpatterns,
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the platform's own log handler writes."""
    handler = next(h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize("address", ["/api/v1/broken/", "/api/v1/broken-view/"])
def test_a_failure_below_api_names_the_request_id_under_which_its_cause_is_logged(
    client: Client, log: io.StringIO, key: str, address: str
) -> None:
    answer = client.get(address, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 500
    assert answer["Content-Type"] == PROBLEM
    body = answer.json()
    assert body["reason"] == "internal_error"
    assert body["request_id"] in body["detail"]
    logged = next(line for line in lines(log) if line.get("request_id") == body["request_id"])
    assert "hunter2 in table secrets" in logged["exception"]


def test_a_failure_tells_nothing_of_what_broke(client: Client, key: str) -> None:
    answer = client.get("/api/v1/broken/", headers={"Authorization": f"Bearer {key}"})
    said = answer.content.decode()
    assert not any(word in said for word in ("hunter2", "RuntimeError", "test_faults", "<html"))


def test_each_failure_has_an_id_of_its_own(client: Client) -> None:
    ids = {client.get("/api/v1/broken-view/").json()["request_id"] for _ in range(3)}
    assert len(ids - {""}) == 3


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_below_api_is_a_problem_for_everybody(
    client: Client, key: str, method: str
) -> None:
    for headers in ({}, {"Authorization": f"Bearer {key}"}):
        answer = getattr(client, method)("/api/v1/nothing/", headers=headers)
        assert answer.status_code == 404
        assert answer["Content-Type"] == PROBLEM
        assert answer.json()["reason"] == "not_found"
        assert "urlpatterns" not in answer.content.decode()


def test_a_refusal_outside_of_the_rest_doors_is_a_problem_too(client: Client) -> None:
    answer = client.get("/api/v1/denied/")
    assert (answer.status_code, answer["Content-Type"]) == (403, PROBLEM)
    assert answer.json()["detail"] == "You may see this, but not do that."


def test_a_forged_request_below_api_is_told_which_header_is_missing(client: Client) -> None:
    answer = client.post("/api/v1/form/")
    assert (answer.status_code, answer["Content-Type"]) == (403, PROBLEM)
    assert answer.json()["reason"] == "forbidden"
    assert "X-CSRFToken" in answer.json()["detail"]


def test_a_foreign_host_below_api_is_a_problem_and_logged_with_an_id(
    client: Client, log: io.StringIO
) -> None:
    answer = client.get("/api/v1/agents/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    assert "evil.example" not in answer.content.decode()
    (logged,) = [line for line in lines(log) if "evil.example" in line["event"]]
    assert logged["request_id"]


@pytest.mark.parametrize(
    ("address", "status", "heading"),
    [
        ("/broken-view/", 500, "Something broke"),
        ("/denied/", 403, "Not yours to do"),
        ("/nothing/", 404, "Not here"),
        ("/apis/", 404, "Not here"),
    ],
)
def test_people_still_read_a_page(client: Client, address: str, status: int, heading: str) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    assert f"<h1>{heading}</h1>" in answer.content.decode()


def test_people_still_read_a_page_of_a_stale_form(client: Client) -> None:
    answer = client.post("/form/")
    assert answer.status_code == 403
    assert "<h1>The form is stale</h1>" in answer.content.decode()


def test_a_door_that_answers_by_itself_is_left_alone(
    api: Callable[[Any], Client], agent: Agent
) -> None:
    answer = api(None).get("/api/v1/runs/")
    assert answer.status_code == 401
    assert answer.json()["reason"] == "unauthenticated"
