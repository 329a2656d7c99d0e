"""The REST doors of what happened."""

from kernel.api import Door
from kernel.problems import Invalid, Issue
from rest_framework.request import Request
from rest_framework.response import Response

from observability import impact, usage
from registry.api import versions

LONGEST = 366


class ToolImpact(Door):
    """GET tools/{name}/impact/?days=30&version=: who used the tool, and what names it. Who may
    change the tool sees all of it, others the part of their own teams."""

    def get(self, request: Request, name: str) -> Response:
        tool = versions.find(name, self.actor)
        number = request.query_params.get("version", "")
        found = impact.of(tool, self.actor, version=number, days=_days(request))
        return Response(found.as_json())


def _days(request: Request) -> int:
    text = request.query_params.get("days", str(usage.WINDOW))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= LONGEST):
        issue = Issue("/days", f"write a number from 1 to {LONGEST}")
        raise Invalid("?days= is how far to look back.", errors=(issue,))
    return int(text[:4])
