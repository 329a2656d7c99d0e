"""What no view caught: a problem document below `/api/`, else one of our pages."""

import structlog
from django.http import HttpRequest, HttpResponse
from django.views import csrf, defaults
from kernel import problems

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django itself finds suspicious; its reasons are for the log alone."""
    if not _below_api(request):
        return defaults.bad_request(request, exception)
    detail = (
        "The request can't be understood or isn't for this host. Check its address and headers."
    )
    return problems.json_response(problems.Problem(detail))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _below_api(request):
        return defaults.permission_denied(request, exception)
    detail = str(exception) or "You may see this, but not do that."
    return problems.json_response(problems.Forbidden(detail))


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF failure view; `reason` is Django's own sentence."""
    if not _below_api(request):
        return csrf.csrf_failure(request, reason)
    detail = f"{reason} Send the cookie *csrftoken* again as the header X-CSRFToken."
    return problems.json_response(problems.Forbidden(detail.strip()))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _below_api(request):
        return defaults.page_not_found(request, exception)
    detail = "There is no such address. Each that there is stands in the schema at /api/schema/."
    return problems.json_response(problems.NotFound(detail))


def internal_error(request: HttpRequest) -> HttpResponse:
    """Says nothing of what broke: that is in the log, beside the id that is given here."""
    if not _below_api(request):
        return defaults.server_error(request)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    detail = (
        "The platform failed to answer this. Try again; when it stays, give the platform team "
        f"the request id {request_id}, under which the log has the cause."
    )
    extra = {"request_id": request_id}
    return problems.json_response(problems.InternalError(detail, extra=extra))


def _below_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API)
