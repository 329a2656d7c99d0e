"""Errors as `application/problem+json` (RFC 9457), made in one place."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:gatehouse:problem:"


@dataclass(frozen=True)
class Issue:
    """One fault in a document: where (a JSON pointer, RFC 6901) and what."""

    pointer: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"pointer": self.pointer, "message": self.message}


class Problem(Exception):
    """A "no" that a door answers with. `reason` is a stable word, `detail` is for people: it names
    the thing and the next step."""

    status = 400
    reason = "bad_request"
    title = "Bad request"

    def __init__(
        self,
        detail: str,
        *,
        errors: tuple[Issue, ...] = (),
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.extra = extra or {}
        self.headers = headers or {}

    def as_json(self) -> dict[str, Any]:
        return document(
            status=self.status,
            title=self.title,
            reason=self.reason,
            detail=self.detail,
            errors=self.errors,
            **self.extra,
        )


class NotFound(Problem):
    status, reason, title = 404, "not_found", "Not found"


class Forbidden(Problem):
    status, reason, title = 403, "forbidden", "Forbidden"


class Invalid(Problem):
    status, reason, title = 422, "invalid", "The request doesn't fit"


class Conflict(Problem):
    status, reason, title = 409, "conflict", "Conflict"


class PreconditionFailed(Problem):
    status, reason, title = 412, "precondition_failed", "Precondition failed"


class PreconditionRequired(Problem):
    status, reason, title = 428, "precondition_required", "Precondition required"


class TooLarge(Problem):
    status, reason, title = 413, "too_large", "Too large"


class InternalError(Problem):
    status, reason, title = 500, "internal_error", "Internal error"


class Unavailable(Problem):
    status, reason, title = 503, "unavailable", "Unavailable"


def document(
    *,
    status: int,
    title: str,
    reason: str,
    detail: str,
    errors: tuple[Issue, ...] = (),
    **extra: Any,
) -> dict[str, Any]:
    """The problem document itself."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + reason,
        "title": title,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    if errors:
        body["errors"] = [issue.as_json() for issue in errors]
    return body | extra


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: each kind of "no" becomes a problem document here alone."""
    if isinstance(error, Http404):
        error = NotFound(str(error) or "There is no such thing, or it isn't visible to you.")
    elif isinstance(error, PermissionDenied):
        error = Forbidden(str(error) or "You may see this, but not do that.")
    elif isinstance(error, exceptions.APIException):
        return _from_drf(error)
    if not isinstance(error, Problem):
        return None
    set_rollback()
    return Response(
        error.as_json(), status=error.status, headers=error.headers, content_type=CONTENT_TYPE
    )


_REASONS = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}


def _from_drf(error: exceptions.APIException) -> Response:
    set_rollback()
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    errors: tuple[Issue, ...] = ()
    detail = str(error.detail)
    if isinstance(error, exceptions.ValidationError):
        errors = tuple(_issues("", error.detail))
        detail = "The request doesn't fit: " + "; ".join(
            f"{issue.pointer or '/'}: {issue.message}" for issue in errors[:5]
        )
    body = document(
        status=error.status_code,
        title=str(error.default_detail),
        reason=_REASONS.get(error.status_code, "error"),
        detail=detail,
        errors=errors,
    )
    return Response(body, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


def _issues(pointer: str, detail: Any) -> list[Issue]:
    if isinstance(detail, dict):
        return [
            issue for key, value in detail.items() for issue in _issues(f"{pointer}/{key}", value)
        ]
    if isinstance(detail, list):
        return [issue for item in detail for issue in _issues(pointer, item)]
    return [Issue(pointer, str(detail))]


def json_response(problem: Problem, request: HttpRequest | None = None) -> JsonResponse:
    """The problem as a plain Django response, for what is refused before DRF is reached."""
    return JsonResponse(
        problem.as_json(),
        status=problem.status,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )
