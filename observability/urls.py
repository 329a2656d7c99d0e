"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from observability.api import ToolImpact

api: list[URLPattern] = [
    path("tools/<str:name>/impact/", ToolImpact.as_view(), name="tool-impact"),
]
pages: list[URLPattern] = []
