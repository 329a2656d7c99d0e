"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from context import api as doors
from context import pages as views

PROJECT = "projects/<str:name>/"

api: list[URLPattern] = [
    path("projects/", doors.ProjectList.as_view(), name="projects"),
    path(PROJECT, doors.ProjectDetail.as_view(), name="project"),
    path(PROJECT + "files/", doors.FileList.as_view(), name="project-files"),
    path(PROJECT + "files/<path:path>", doors.FileDetail.as_view(), name="project-file"),
    path(PROJECT + "changesets/", doors.ChangesetList.as_view(), name="project-changesets"),
    path(PROJECT + "changes/", doors.Changes.as_view(), name="project-changes"),
    path(PROJECT + "decisions/", doors.DecisionList.as_view(), name="project-decisions"),
    path(PROJECT + "rollback/", doors.Rollback.as_view(), name="project-rollback"),
    path(PROJECT + "brief/", doors.Brief.as_view(), name="project-brief"),
    path(PROJECT + "diff/", doors.Diff.as_view(), name="project-diff"),
]
pages: list[URLPattern] = [
    path("projects/", views.index, name="project-index-page"),
    path(PROJECT, views.project, name="project-page"),
    path(PROJECT + "diff/", views.diff, name="project-diff-page"),
    path(PROJECT + "files/<path:path>", views.file, name="project-file-page"),
]
