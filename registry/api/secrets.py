"""The REST doors of secrets: what there is, and who may be given it. Never a value."""

from typing import Any
from uuid import UUID

from django.http import Http404
from kernel import api
from kernel.actor import Actor
from kernel.api import Door
from kernel.problems import Invalid, Issue
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from registry import secrets
from registry.api.versions import body
from registry.models import Secret, SecretGrant, Tool, UpstreamServer
from registry.secrets import Holder

_NAME = {"type": "string", "minLength": 1, "maxLength": 64}
GRANT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tool": _NAME,
        "server": _NAME,
        "reason": {"type": "string", "minLength": 1, "maxLength": 500},
    },
    "required": ["reason"],
    "oneOf": [{"required": ["tool"]}, {"required": ["server"]}],
    "additionalProperties": False,
}


class SecretList(Door):
    """GET secrets/: those of the person's teams."""

    def get(self, request: Request) -> Response:
        rows = secrets.listed(Secret.objects.visible_to(self.actor))
        return api.paged(self, request, rows, secrets.shown, ordering="name")


class SecretDetail(Door):
    """GET secrets/{name}/."""

    def get(self, request: Request, name: str) -> Response:
        return Response(secrets.shown(_find(name, self.actor)))


class SecretGrants(Door):
    """POST secrets/{name}/grants/ with {tool or server, reason}: who may be given it."""

    def post(self, request: Request, name: str) -> Response:
        secret, said = _find(name, self.actor), body(request, GRANT)
        holder = _holder(said, self.actor)
        grant = secrets.give(secret, holder, by=self.actor, reason=said["reason"])
        return Response(secrets.shown_grant(grant), status=status.HTTP_201_CREATED)


class SecretGrantDetail(Door):
    """DELETE secrets/{name}/grants/{id}/: revoke it; the next call that needs it is refused."""

    def delete(self, request: Request, name: str, grant_id: UUID) -> Response:
        secret = _find(name, self.actor)
        grant = SecretGrant.objects.filter(secret=secret, id=grant_id).first()
        if grant is None:
            raise Http404(f"Secret {name!r} has no such grant. See GET /api/v1/secrets/{name}/.")
        secrets.revoke(grant, by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _find(name: str, actor: Actor) -> Secret:
    found: Secret | None = (
        secrets.listed(Secret.objects.visible_to(actor)).filter(name=name).first()
    )
    if found is None:
        raise Http404(f"There is no secret {name!r} for you. See GET /api/v1/secrets/.")
    return found


def _holder(said: dict[str, Any], actor: Actor) -> Holder:
    """The tool or server that is named, if the person may see it. Raises Invalid."""
    noun, model = ("server", UpstreamServer) if "server" in said else ("tool", Tool)
    rows: Any = model.objects
    found: Holder | None = rows.visible_to(actor).filter(name=said[noun]).first()
    if found is None:
        told = f"there is no {noun} {said[noun]!r} for you"
        raise Invalid("Nothing is given.", errors=(Issue(f"/{noun}", told),))
    return found
