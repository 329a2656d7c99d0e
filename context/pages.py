"""The pages of a project: its shared context, what changed between two revs, one file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from kernel import console
from kernel.actor import actor_of
from kernel.problems import Problem

from context import decisions, diffs, feed, files, parsing, projects
from context.diffs import FileDiff, Row
from context.feed import Change
from context.files import Entry
from context.models import Changeset, Decision, FileVersion, Project

PROJECTS_PER_PAGE = 50
FILES_PER_PAGE = 100
CHANGES_PER_PAGE = 20
DECISIONS_SHOWN = 100
FILES_PER_DIFF = 30
ROWS_PER_FILE = 500
ROWS_PER_PAGE = 2_500
VERSIONS_SHOWN = 50
LINES_SHOWN = 5_000


@dataclass(frozen=True)
class Overview:
    """What the project's page shows: one page of files, the newest decisions and changes."""

    project: Project
    files: "Page[Entry]"
    total_files: int
    query: str
    decisions: list[Decision]
    more_decisions: int
    changes: list[Change]
    changesets: "Page[Changeset]"


@dataclass(frozen=True)
class ShownDiff:
    """One file's difference, cut to what a page can hold; `left_out` counts the rows beyond."""

    diff: FileDiff
    rows: tuple[Row, ...]
    left_out: int

    @property
    def note(self) -> str:
        """Why there are no rows, where there are none."""
        if self.diff.binary:
            return "Binary content"
        if self.diff.oversized:
            return "Too large to be compared (over 1 MiB or 20,000 lines)"
        return "" if self.diff.rows else "Only the mode changed"


def _find(request: HttpRequest, name: str) -> Project:
    try:
        return projects.find(name, actor_of(request))
    except Problem as problem:
        raise Http404(problem.detail) from problem


@login_required
def index(request: HttpRequest) -> HttpResponse:
    """The projects that the reader may see."""
    rows = Project.objects.visible_to(actor_of(request)).select_related("team").order_by("name")
    page = Paginator(rows, PROJECTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "context/projects.html", {"page": page})


@login_required
def project(request: HttpRequest, name: str) -> HttpResponse:
    """One project: files with state and version, decisions, changes, status, next step."""
    found = _find(request, name)
    shown = _overview(found, request)
    panels = console.panels("project", found, actor_of(request))
    return render(request, "context/project.html", {"shown": shown, "panels": panels})


def _overview(project: Project, request: HttpRequest) -> Overview:
    query = request.GET.get("q", "")[:200]
    listed = files.listing(project.id)
    wanted = [entry for entry in listed if query.casefold() in entry.path.casefold()]
    made = list(reversed(decisions.at(project.id)))
    history = Changeset.objects.filter(project_id=project.id).order_by("-rev")
    page = Paginator(history, CHANGES_PER_PAGE).get_page(request.GET.get("changes"))
    return Overview(
        project=project,
        files=Paginator(wanted, FILES_PER_PAGE).get_page(request.GET.get("files")),
        total_files=len(listed),
        query=query,
        decisions=made[:DECISIONS_SHOWN],
        more_decisions=max(len(made) - DECISIONS_SHOWN, 0),
        changes=feed.describe(list(page.object_list)),
        changesets=page,
    )


@login_required
def diff(request: HttpRequest, name: str) -> HttpResponse:
    """What differs between two revs, `?from=` and `?to=`, unified, a bounded number at a time."""
    found = _find(request, name)
    try:
        to = files.current_rev(found.id, parsing.number(request.GET, "to"))
        asked = parsing.number(request.GET, "from")
        start = files.current_rev(found.id, max(to - 1, 0) if asked is None else asked)
    except Problem as problem:
        raise Http404(problem.detail) from problem
    only = request.GET.getlist("path") or None
    paths = [path for path, _, _ in diffs.changes(found.id, start, to, paths=only)]
    page = Paginator(paths, FILES_PER_DIFF).get_page(request.GET.get("page"))
    differing = diffs.between(found.id, start, to, paths=list(page.object_list))
    shown = list(_bounded(differing))
    context = {"project": found, "start": start, "to": to, "page": page, "diffs": shown}
    return render(request, "context/diff.html", context)


def _bounded(differing: Sequence[FileDiff]) -> Iterator[ShownDiff]:
    left = ROWS_PER_PAGE
    for each in differing:
        rows = tuple(unified(each.rows[: min(left, ROWS_PER_FILE)]))
        left -= len(rows)
        yield ShownDiff(each, rows, max(len(each.rows) - ROWS_PER_FILE, 0))


def unified(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows of a side-by-side view below each other: what went, then what came."""
    came: list[Row] = []
    for row in rows:
        if row.kind in ("ctx", "gap"):
            yield from came
            came = []
            yield row
            continue
        if row.old_no is not None:
            yield Row("del", row.old_no, row.old_text, None, "")
        if row.new_no is not None:
            came.append(Row("add", None, "", row.new_no, row.new_text))
    yield from came


@login_required
def file(request: HttpRequest, name: str, path: str) -> HttpResponse:
    """One file, now or at `?at_rev=`, and its versions."""
    found = _find(request, name)
    try:
        at_rev = parsing.number(request.GET, "at_rev")
        version, content = files.read(found.id, parsing.path(path), at_rev=at_rev)
    except Problem as problem:
        raise Http404(problem.detail) from problem
    text = diffs.text_of(content)
    rows = FileVersion.objects.filter(project_id=found.id, path=path).select_related("changeset")
    context = {
        "project": found,
        "version": version,
        "size": len(content),
        "text": text,
        "versions": list(rows.order_by("-version")[:VERSIONS_SHOWN]),
    }
    return render(request, "context/file.html", context)
