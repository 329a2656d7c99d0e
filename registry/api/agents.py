"""The REST doors of agents."""

from django.http import Http404
from kernel import api
from kernel.api import Door
from rest_framework.request import Request
from rest_framework.response import Response

from registry import rendering
from registry.models import Agent


class AgentList(Door):
    """GET agents/."""

    def get(self, request: Request) -> Response:
        rows = Agent.objects.visible_to(self.actor).select_related("team")
        return api.paged(self, request, rows, rendering.agent, ordering="name")


class AgentDetail(Door):
    """GET agents/{name}/."""

    def get(self, request: Request, name: str) -> Response:
        rows = Agent.objects.visible_to(self.actor).select_related("team")
        found = rows.filter(name=name).first()
        if found is None:
            raise Http404(f"There is no agent {name!r} for you. See GET /api/v1/agents/.")
        return Response(rendering.agent(found) | api.parts("agent", found, self.actor))
