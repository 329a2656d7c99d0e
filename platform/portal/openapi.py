"""The OpenAPI schema of the doors, which parse and render by hand instead of by serializers."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, inline_serializer
from rest_framework import serializers

_BODIES = ("POST", "PUT", "PATCH")
_PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "reason": serializers.CharField(),
        "errors": inline_serializer(
            "Issue",
            {"pointer": serializers.CharField(), "message": serializers.CharField()},
            many=True,
            required=False,
        ),
    },
)


class DoorSchema(AutoSchema):
    """JSON in, JSON out, and a problem document (RFC 9457) for every "no"."""

    def get_request_serializer(self) -> Any:
        return OpenApiTypes.OBJECT if self.method in _BODIES else None

    def get_response_serializers(self) -> Any:
        answer = OpenApiResponse(OpenApiTypes.OBJECT, description="The answer")
        problem = OpenApiResponse(_PROBLEM, description="Why not (application/problem+json)")
        return {200: answer, "default": problem}

    def get_operation_id(self) -> str:
        """The door's name and the method: doors are classes, and no two bear one name."""
        return f"{type(self.view).__name__}_{self.method.lower()}"

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "registry.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An agent's key"}
