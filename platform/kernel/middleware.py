"""Per-request context: the actor, a request id, and the size of what may come in."""

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from kernel import actor as actors
from kernel import clock, ids, problems
from kernel.actor import actor_of


class RequestIdMiddleware:
    """Marks whatever is logged on behalf of a request. Comes first, so that no failure lacks it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=str(ids.uuid7()), path=request.path)
        return self.get_response(request)


class ActorMiddleware:
    """Runs each request as its signed-in person, as one operation of the clock; a REST door sets
    the agent once it knows it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with clock.operation(), actors.acting(actor_of(request)):
            return self.get_response(request)


class BodyLimitMiddleware:
    """Refuses a body over the limit before anything reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = str(request.META.get("CONTENT_LENGTH") or 0)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if not length.isdecimal() or int(length) > limit:
            detail = (
                f"The body has {length} bytes; at most {limit} are accepted. Send less at once."
            )
            return problems.json_response(problems.TooLarge(detail, extra={"limit": limit}))
        return self.get_response(request)
