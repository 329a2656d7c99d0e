"""The REST doors of tools."""

from kernel import api
from kernel.api import Door
from rest_framework.request import Request
from rest_framework.response import Response

from registry import discovery, notices, publishing, rendering
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
        asked = request.query_params.get("version")
        # Unasked, an agent is shown what its calls would get.
        bound = self.actor.id if self.actor.kind == "agent" and not asked else None
        version = publishing.resolve(name, asked, self.actor, agent_id=bound)
        versions = list(version.tool.versions.values_list("version", flat=True)[:50])
        parts = api.parts("tool", version.tool, self.actor)
        body = rendering.entry(version) | {"versions": versions} | parts
        return Response(body, headers=notices.headers(version))
