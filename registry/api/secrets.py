"""The REST doors of secrets: what there is and who may be given it, never a value."""

from django.http import Http404
from kernel import api
from kernel.api import Door
from rest_framework.request import Request
from rest_framework.response import Response

from registry import secrets
from registry.models import Secret


class SecretList(Door):
    """GET secrets/: those of the person's teams."""

    def get(self, request: Request) -> Response:
        rows = secrets.listed(Secret.objects.visible_to(self.actor))
        return api.paged(self, request, rows, secrets.shown, ordering="name")


class SecretDetail(Door):
    """GET secrets/{name}/."""

    def get(self, request: Request, name: str) -> Response:
        rows = secrets.listed(Secret.objects.visible_to(self.actor))
        found = rows.filter(name=name).first()
        if found is None:
            raise Http404(f"There is no secret {name!r} for you. See GET /api/v1/secrets/.")
        return Response(secrets.shown(found))
