"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from registry import api as doors

api: list[URLPattern] = [
    path("tools/", doors.ToolList.as_view(), name="tools"),
    path("tools/<str:name>/", doors.ToolDetail.as_view(), name="tool"),
    path("agents/", doors.AgentList.as_view(), name="agents"),
    path("agents/<str:name>/", doors.AgentDetail.as_view(), name="agent"),
]
pages: list[URLPattern] = []
