"""A page of tools as JSON: by name, or ranked by a search."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, QuerySet
from kernel import api
from kernel.api import Door, Pages
from kernel.problems import Invalid, Issue
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from registry import discovery, rendering, resolution
from registry.discovery import Found
from registry.models import Tool


def respond(door: Door, request: Request, rows: QuerySet[Tool]) -> Response:
    """`{next, previous, results}`; with `q` ranked, at most 500 altogether, each with its `match`,
    and with `corrected` where another spelling was searched."""
    text = request.query_params.get("q", "").strip()
    if text:
        return _ranked(door, request, rows, text)
    pages = Pages()
    pages.ordering = "name"
    page = pages.paginate_queryset(_read(rows), request, view=door) or []
    return pages.get_paginated_response(_rendered(door, request, page))


def mode_of(asked: Mapping[str, str]) -> discovery.Mode:
    """What `semantic` says. Raises Invalid."""
    said = asked.get("semantic", "").strip().lower()
    if said not in discovery.MODES:
        known = ", ".join(name for name in discovery.MODES if name)
        issue = Issue("/semantic", f"{said[:40]!r} is none of {known}")
        raise Invalid("This search can't be made.", errors=(issue,))
    return discovery.MODES[said]


def _ranked(door: Door, request: Request, rows: QuerySet[Tool], text: str) -> Response:
    asked = request.query_params
    start, size = _place(request), Pages().get_page_size(request) or Pages.page_size
    # One more than the page: whether there is a next one.
    found = discovery.search(rows, text, mode_of(asked), enough=start + size + 1)
    hits = found.hits[start : start + size]
    by_entry = {row.entry_id: row for row in of_hits([hit.entry_id for hit in hits])}
    there = [hit for hit in hits if hit.entry_id in by_entry]
    results = _rendered(door, request, [by_entry[hit.entry_id] for hit in there])
    for result, hit in zip(results, there, strict=True):
        result["match"] = {"score": hit.score, "by": list(hit.by)}
    return Response(_links(request, found, start, size) | {"results": results})


def of_hits(entry_ids: Sequence[int]) -> list[Any]:
    """The tools behind these hits, which were found among visible ones; each with its
    `entry_id`."""
    found = _read(Tool.objects.filter(entry__id__in=entry_ids))
    return list(found.annotate(entry_id=F("entry__id")))


def _read(rows: QuerySet[Tool]) -> QuerySet[Tool]:
    """With what a list shows of them: their contracts, and of the definitions their state alone."""
    related = rows.select_related("live_version", "team", "replacement")
    return related.only(*resolution.READ, "live_version__contract")


def _rendered(door: Door, request: Request, page: Sequence[Any]) -> list[dict[str, Any]]:
    columns = api.columns("tool", page, request.query_params, door.actor)
    return [
        rendering.listed(row) | {name: told.get(row.pk) for name, told in columns.items()}
        for row in page
    ]


def _place(request: Request) -> int:
    said = request.query_params.get("cursor", "0")
    if not said.isdecimal() or len(said) > 6:
        issue = Issue("/cursor", "follow `next` of the page before")
        raise Invalid("There is no such page.", errors=(issue,))
    return int(said)


def _links(request: Request, found: Found, start: int, size: int) -> dict[str, Any]:
    def link(place: int) -> str:
        address: str = replace_query_param(request.build_absolute_uri(), "cursor", place)
        return address

    links: dict[str, Any] = {
        "next": link(start + size) if start + size < len(found.hits) else None,
        "previous": link(max(start - size, 0)) if start else None,
    }
    return links | ({"corrected": found.corrected} if found.corrected else {})
