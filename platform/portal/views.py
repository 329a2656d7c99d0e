"""Health, sign-in and home."""

from django.contrib.auth import views as auth
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

from portal.pages import home


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """The process answers and reaches its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


_login = auth.LoginView.as_view(template_name="portal/login.html", redirect_authenticated_user=True)

pages = [
    path("", home.page, name="home"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("login/", _login, name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
]
