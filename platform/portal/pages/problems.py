"""A "no" as a page: where a page's view raises a problem, people read it in HTML."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from kernel.problems import Problem


class ProblemPageMiddleware:
    """Renders problems that reach it; REST doors have answered theirs before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Problem):
            return None
        context = {"problem": error, "back": _back(request)}
        page = render(request, "portal/problem.html", context, status=error.status)
        for name, value in error.headers.items():
            page[name] = value
        return page


def _back(request: HttpRequest) -> str:
    """Where the person came from, within this site; home otherwise."""
    if request.method == "POST":
        return request.path
    parts = urlsplit(request.META.get("HTTP_REFERER", ""))
    here = parts.netloc == request.get_host() and parts.path != request.path
    return parts.path if here and parts.path.startswith("/") and parts.path[1:2] != "/" else "/"
