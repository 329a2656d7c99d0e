"""The REST doors of tools."""

from kernel import api
from kernel.api import Door
from rest_framework.request import Request
from rest_framework.response import Response

from registry import discovery, publishing, rendering
from registry.api import listing


class ToolList(Door):
    """GET tools/: what there is to call, by name, or by how well it answers `q`.

    Filters: q, semantic (true, only), tag, team, permission, max_cost, environment, data_class,
    executor, deprecated.
    """

    def get(self, request: Request) -> Response:
        rows = discovery.narrowed(discovery.listed(self.actor), request.query_params)
        rows = api.filtered("tool", rows, request, self.actor)
        return listing.respond(self, request, rows)


class ToolDetail(Door):
    """GET tools/{name}/?version=: the whole contract."""

    def get(self, request: Request, name: str) -> Response:
        version = publishing.resolve(name, request.query_params.get("version"), self.actor)
        versions = list(version.tool.versions.values_list("version", flat=True)[:50])
        parts = api.parts("tool", version.tool, self.actor)
        return Response(rendering.entry(version) | {"versions": versions} | parts)
