"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from registry.api import agents, tools

api: list[URLPattern] = [
    path("tools/", tools.ToolList.as_view(), name="tools"),
    path("tools/<str:name>/", tools.ToolDetail.as_view(), name="tool"),
    path("agents/", agents.AgentList.as_view(), name="agents"),
    path("agents/<str:name>/", agents.AgentDetail.as_view(), name="agent"),
]
pages: list[URLPattern] = []
