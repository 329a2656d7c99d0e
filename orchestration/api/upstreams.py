"""The REST doors of upstream servers and of deciding about drift."""

from typing import Any
from uuid import UUID

from django.http import Http404
from kernel import api
from kernel.api import Door
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration import upstreams
from orchestration.api.bodies import NothingBody, Strict
from orchestration.upstreams import rendering
from registry import acceptance
from registry.models import UpstreamServer, UpstreamTool


class DecideBody(Strict):
    """`fingerprint` names the definition that was read: another one isn't decided about."""

    fingerprint = serializers.RegexField(r"^[0-9a-f]{64}\Z")


def _server(door: Door, name: str) -> UpstreamServer:
    rows = UpstreamServer.objects.visible_to(door.actor).select_related("team")
    found: UpstreamServer | None = rows.filter(name=name).first()
    if found is None:
        raise Http404(f"There is no upstream server {name!r} for you. See GET /api/v1/upstreams/.")
    return found


def _tool(door: Door, tool_id: UUID) -> UpstreamTool:
    rows = UpstreamTool.objects.visible_to(door.actor).select_related("server__team")
    found: UpstreamTool | None = rows.filter(id=tool_id).first()
    if found is None:
        raise Http404("There is no such upstream tool for you.")
    return found


def _checked(body: type[Strict], request: Request) -> dict[str, Any]:
    given = body(data=request.data)
    given.is_valid(raise_exception=True)
    found: dict[str, Any] = given.validated_data
    return found


class UpstreamList(Door):
    """GET upstreams/."""

    def get(self, request: Request) -> Response:
        rows = UpstreamServer.objects.visible_to(self.actor).select_related("team")
        return api.paged(self, request, rows, rendering.server, ordering="name")


class UpstreamDetail(Door):
    """GET upstreams/{name}/."""

    def get(self, request: Request, name: str) -> Response:
        return Response(rendering.server(_server(self, name)))


class UpstreamTools(Door):
    """GET upstreams/{name}/tools/: what the server was last seen to offer; filter: state."""

    def get(self, request: Request, name: str) -> Response:
        rows = UpstreamTool.objects.filter(server=_server(self, name)).select_related("server")
        wanted = request.query_params.get("state")
        found = [row for row in rows.order_by("name") if not wanted or row.state == wanted]
        return Response({"results": [rendering.tool(row) for row in found]})


class UpstreamSync(Door):
    """POST upstreams/{name}/sync/: fetch the list now and compare it. The platform team only."""

    def post(self, request: Request, name: str) -> Response:
        _checked(NothingBody, request)
        report = upstreams.sync(_server(self, name), by=self.actor)
        return Response(report.as_json())


class UpstreamToolDetail(Door):
    """GET upstream-tools/{id}/: both definitions and what accepting would publish."""

    def get(self, request: Request, tool_id: UUID) -> Response:
        return Response(rendering.detail(_tool(self, tool_id)))


class UpstreamToolAccept(Door):
    """POST upstream-tools/{id}/accept/ {fingerprint}."""

    def post(self, request: Request, tool_id: UUID) -> Response:
        given = _checked(DecideBody, request)
        versions = acceptance.accept(_tool(self, tool_id).id, by=self.actor, **given)
        published = [{"tool": each.tool.name, "version": each.version} for each in versions]
        return Response(rendering.tool(_tool(self, tool_id)) | {"published": published})


class UpstreamToolReject(Door):
    """POST upstream-tools/{id}/reject/ {fingerprint}."""

    def post(self, request: Request, tool_id: UUID) -> Response:
        given = _checked(DecideBody, request)
        acceptance.reject(_tool(self, tool_id).id, by=self.actor, **given)
        return Response(rendering.tool(_tool(self, tool_id)))
