"""The REST doors of tools."""

from django.db.models import Q, QuerySet
from kernel import api
from kernel.api import Door
from rest_framework.request import Request
from rest_framework.response import Response

from registry import publishing, rendering
from registry.models import Tool


class ToolList(Door):
    """GET tools/: what there is to call. Filters: q, tag, team, permission."""

    def get(self, request: Request) -> Response:
        visible = Tool.objects.visible_to(self.actor).filter(live_version__isnull=False)
        narrowed = _narrowed(visible.select_related("live_version", "team", "replacement"), request)
        rows = api.filtered("tool", narrowed, request, self.actor)
        return api.paged(self, request, rows, rendering.listed, ordering="name")


def _narrowed(rows: QuerySet[Tool], request: Request) -> QuerySet[Tool]:
    asked = request.query_params
    if text := asked.get("q"):
        rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text))
    if team := asked.get("team"):
        rows = rows.filter(team__name=team)
    if permission := asked.get("permission"):
        rows = rows.filter(permissions_required__name=permission)
    if tag := asked.get("tag"):
        # As text: JSON containment has no common form on SQLite and PostgreSQL.
        rows = rows.filter(tags__icontains=f'"{tag}"')
    return rows


class ToolDetail(Door):
    """GET tools/{name}/?version=: the whole contract."""

    def get(self, request: Request, name: str) -> Response:
        version = publishing.resolve(name, request.query_params.get("version"), self.actor)
        versions = list(version.tool.versions.values_list("version", flat=True)[:50])
        parts = api.parts("tool", version.tool, self.actor)
        return Response(rendering.entry(version) | {"versions": versions} | parts)
