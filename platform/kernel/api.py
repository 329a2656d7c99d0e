"""What every REST door shares: the acting actor, pages by cursor, and registers for upper apps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kernel import actor as actors
from kernel.actor import ANONYMOUS, Actor, actor_of
from kernel.permissions import IsKnown

__all__ = [
    "Door",
    "Pages",
    "actor_of",
    "add_column",
    "add_filter",
    "add_part",
    "columns",
    "filtered",
    "narrowed",
    "paged",
    "parts",
    "resolve_run",
    "resolve_runs_by",
]


class Door(APIView):
    """A REST view that runs as its caller: parse, authorise, call one function, render."""

    permission_classes = (IsKnown,)
    actor: Actor = ANONYMOUS

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.actor = actor_of(request)
        # Reset by kernel.middleware.ActorMiddleware when the response leaves.
        actors._current.set(self.actor)
        super().initial(request, *args, **kwargs)


class Pages(CursorPagination):
    """Pages that cost the same at ten rows and at ten million. Order by a unique indexed field."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    ordering = "-id"


def paged(
    door: Door,
    request: Request,
    rows: QuerySet[Any],
    render: Callable[[Any], dict[str, Any]],
    *,
    ordering: str = "-id",
) -> Response:
    """One page of rows as `{next, previous, results}`."""
    pages = Pages()
    pages.ordering = ordering
    page = pages.paginate_queryset(rows, request, view=door) or []
    return pages.get_paginated_response([render(row) for row in page])


Filter = Callable[..., QuerySet[Any]]
Column = Callable[..., Mapping[Any, Any]]
_filters: dict[str, dict[str, tuple[Filter, tuple[str, ...]]]] = {}
_columns: dict[str, dict[str, tuple[Column, tuple[str, ...]]]] = {}


def add_filter(noun: str, parameter: str, narrow: Filter, *, beside: tuple[str, ...] = ()) -> None:
    """An upper app adds a query parameter to a lower noun's list: `callable=true` on `tool`.

    `narrow(rows, value, actor)` returns the rows that are left; the parameters `beside` it come by
    their names where the request carries them.
    """
    _filters.setdefault(noun, {})[parameter] = (narrow, beside)


def filtered(noun: str, rows: QuerySet[Any], request: Request, actor: Actor) -> QuerySet[Any]:
    """The rows narrowed by whatever registered parameters the request carries."""
    return narrowed(noun, rows, request.query_params, actor)


def narrowed(
    noun: str, rows: QuerySet[Any], asked: Mapping[str, str], actor: Actor
) -> QuerySet[Any]:
    """The same for parameters that come from a page."""
    for parameter, (narrow, beside) in _filters.get(noun, {}).items():
        if parameter in asked:
            rows = narrow(rows, asked[parameter], actor, **_given(asked, beside))
    return rows


def add_column(noun: str, parameter: str, tell: Column, *, beside: tuple[str, ...] = ()) -> None:
    """An upper app adds a member to each row of a lower noun's list, where `parameter` is given.

    `tell(rows, value, actor)` says it by the rows' primary keys, for one page of rows.
    """
    _columns.setdefault(noun, {})[parameter] = (tell, beside)


def columns(
    noun: str, rows: Sequence[Any], asked: Mapping[str, str], actor: Actor
) -> dict[str, Mapping[Any, Any]]:
    """The members that upper apps add to these rows, by name and primary key."""
    return {
        parameter: tell(rows, asked[parameter], actor, **_given(asked, beside))
        for parameter, (tell, beside) in _columns.get(noun, {}).items()
        if parameter in asked
    }


def _given(asked: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: asked[name] for name in names if name in asked}


_parts: dict[str, dict[str, Callable[[Any, Actor], Any]]] = {}


def add_part(noun: str, name: str, render: Callable[[Any, Actor], Any]) -> None:
    """An upper app adds a member to a lower noun's JSON, shown on the noun's own page."""
    _parts.setdefault(noun, {})[name] = render


def parts(noun: str, subject: Any, actor: Actor) -> dict[str, Any]:
    """The members that upper apps add to this noun."""
    return {name: render(subject, actor) for name, render in _parts.get(noun, {}).items()}


RunResolver = Callable[[Request], UUID | None]
_run_resolvers: list[RunResolver] = []


def resolve_runs_by(resolver: RunResolver) -> None:
    """An upper app says which run a request belongs to, from what the caller can prove (its
    credential's task). It raises a Problem for a run that the caller claims without proof."""
    _run_resolvers[:] = [resolver]


def resolve_run(request: Request) -> UUID | None:
    """The run that this request is part of; None outside of any, or where nobody can tell."""
    for resolver in _run_resolvers:
        return resolver(request)
    return None
