"""The REST doors of the context: projects, files, changesets, decisions, the change feed.

Who may see a project is its team, and everybody else gets a 404. A request inside a run is read and
written in that run's name; which run that is only its credential can tell.
"""

from typing import Any

from kernel import api
from kernel.api import Door
from kernel.problems import Forbidden, Invalid, Issue, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from context import (
    briefs,
    changesets,
    decisions,
    diffs,
    feed,
    files,
    parsing,
    projects,
    reads,
    rendering,
    rollback,
)
from context.changesets import FileChange, Outcome, Proposal
from context.models import Project
from context.proposals import writes_of
from registry.models import Team

FILES_PER_PAGE = 1_000
DIFFED_FILES = 200
WAIT = {"X-Gatehouse-Wait": "pending"}


class ProjectList(Door):
    """GET projects/: those that the caller sees. POST projects/: a new one of the caller's team."""

    def get(self, request: Request) -> Response:
        rows = Project.objects.visible_to(self.actor).select_related("team")
        return api.paged(self, request, rows, rendering.listed, ordering="name")

    def post(self, request: Request) -> Response:
        body = parsing.fitting(request.data, parsing.PROJECT)
        if self.actor.kind == "agent" or (self.actor.is_auditor and not self.actor.teams):
            raise Forbidden("Projects are made by the people of a team. Ask one of them.")
        team = self._team(body["team"])
        project = projects.create(
            body["name"], team=team, description=body.get("description", ""), by=self.actor
        )
        return Response(projects.as_json(project), status=201)

    def _team(self, name: str) -> Team:
        rows = Team.objects.filter(name=name)
        own = rows if self.actor.is_platform else rows.filter(id__in=self.actor.teams)
        team: Team | None = own.first()
        if team is None:
            message = f"{name[:100]!r} is no team of yours"
            raise Invalid(f"/team: {message}.", errors=(Issue("/team", message),))
        return team


class ProjectDoor(Door):
    """A door into one project: found as the caller may see it."""

    def project(self, name: str) -> Project:
        return projects.find(name, self.actor)

    def project_to_change(self, name: str) -> Project:
        return projects.find_to_change(name, self.actor)


class ProjectDetail(ProjectDoor):
    """GET projects/{name}/?at_rev=: the shared context."""

    def get(self, request: Request, name: str) -> Response:
        project = self.project(name)
        at_rev = parsing.number(request.query_params, "at_rev")
        shown = projects.as_json(project, at_rev=at_rev)
        return Response(shown | api.parts("project", project, self.actor))


class FileList(ProjectDoor):
    """GET projects/{name}/files/?at_rev=&prefix=&after=: paths with version, digest and size."""

    def get(self, request: Request, name: str) -> Response:
        project = self.project(name)
        asked = request.query_params
        rev = files.current_rev(project.id, parsing.number(asked, "at_rev"))
        found = files.listing(project.id, at_rev=rev, prefix=asked.get("prefix", ""))
        after = asked.get("after", "")
        page = [entry for entry in found if entry.path > after]
        more = page[FILES_PER_PAGE - 1].path if len(page) > FILES_PER_PAGE else None
        shown = [rendering.entry(entry) for entry in page[:FILES_PER_PAGE]]
        return Response({"rev": rev, "total": len(found), "next_after": more, "files": shown})


class FileDetail(ProjectDoor):
    """GET, PUT, DELETE projects/{name}/files/{path}. The ETag is the file's version."""

    def get(self, request: Request, name: str, path: str) -> Response:
        project = self.project(name)
        version, content = files.read(
            project.id,
            parsing.path(path),
            at_rev=parsing.number(request.query_params, "at_rev"),
            reader_id=reads.reader(self.actor, api.resolve_run(request)),
        )
        etag = f'"{version.version}"'
        if request.headers.get("If-None-Match") == etag:
            return Response(status=304, headers={"ETag": etag})
        return Response(rendering.file(version, content), headers={"ETag": etag})

    def put(self, request: Request, name: str, path: str) -> Response:
        project = self.project_to_change(name)
        body = parsing.fitting(request.data, parsing.FILE)
        change = FileChange(
            parsing.content(body), body.get("mode"), parsing.expected_version(request.headers)
        )
        self._write(project, request, path, change, body)
        version, content = files.read(project.id, path)
        status = 201 if version.version == 1 else 200
        headers = {"ETag": f'"{version.version}"'}
        return Response(rendering.file(version, content), status=status, headers=headers)

    def delete(self, request: Request, name: str, path: str) -> Response:
        project = self.project_to_change(name)
        files.read(project.id, parsing.path(path))
        change = FileChange(None, None, parsing.expected_version(request.headers))
        outcome = self._write(project, request, path, change, {})
        return Response(rendering.changeset(outcome.changeset))

    def _write(
        self,
        project: Project,
        request: Request,
        path: str,
        change: FileChange,
        body: dict[str, Any],
    ) -> Outcome:
        verb = "Delete" if change.content is None else "Write"
        proposal = Proposal(
            by=self.actor,
            writes=writes_of({path: change}, "change"),
            summary=body.get("summary") or f"{verb} {path}",
            call_id=parsing.call_id(project, self.actor, body.get("key")),
            run_id=api.resolve_run(request),
        )
        return changesets.commit(project.id, proposal)


class ChangesetList(ProjectDoor):
    """POST projects/{name}/changesets/: files, decisions, status and next step in one change."""

    def post(self, request: Request, name: str) -> Response:
        project = self.project_to_change(name)
        body = parsing.fitting(request.data, parsing.CHANGESET)
        proposal = Proposal(
            by=self.actor,
            base_rev=body.get("base_rev"),
            writes=writes_of(parsing.changes(body.get("files", {})), "change"),
            decisions=parsing.decisions(body.get("decisions", [])),
            status=body.get("status"),
            next_step=body.get("next_step"),
            summary=body.get("summary", ""),
            call_id=parsing.call_id(project, self.actor, body.get("key")),
            run_id=api.resolve_run(request),
        )
        return self.answer(changesets.commit(project.id, proposal))

    @staticmethod
    def answer(outcome: Outcome) -> Response:
        """The changeset with what it did; 201 when it was made now."""
        shown = rendering.change(feed.describe([outcome.changeset])[0])
        return Response(shown, status=201 if outcome.is_new else 200)


class Changes(ProjectDoor):
    """GET projects/{name}/changes/?since=&wait=: what happened after a rev, and which files the
    caller knows in an older version. With nothing new the answer says that waiting may help."""

    def get(self, request: Request, name: str) -> Response:
        project = self.project(name)
        since = parsing.number(request.query_params, "since") or 0
        if since >= project.rev:
            return Response({"rev": project.rev, "changes": [], "stale": []}, headers=WAIT)
        reader = reads.reader(self.actor, api.resolve_run(request))
        stale = reads.stale(reader, project_id=project.id) if reader else []
        found = feed.since(project.id, since)
        return Response(
            {
                "rev": found[-1].changeset.rev if found else project.rev,
                "changes": [rendering.change(change) for change in found],
                "stale": [rendering.stale(each) for each in stale],
            }
        )


class DecisionList(ProjectDoor):
    """GET, POST projects/{name}/decisions/: what was decided; one more, or one moved by its key."""

    def get(self, request: Request, name: str) -> Response:
        project = self.project(name)
        rev = files.current_rev(project.id, parsing.number(request.query_params, "at_rev"))
        rows = decisions.at(project.id, rev)
        shown = [projects.decision_as_json(row) for row in rows]
        return Response({"rev": rev, "decisions": shown})

    def post(self, request: Request, name: str) -> Response:
        project = self.project_to_change(name)
        body = parsing.fitting(request.data, parsing.DECISION)
        proposal = Proposal(
            by=self.actor,
            decisions=(parsing.decision(body),),
            run_id=api.resolve_run(request),
        )
        return ChangesetList.answer(changesets.commit(project.id, proposal))


class Rollback(ProjectDoor):
    """POST projects/{name}/rollback/ {rev, reason}: the files of a past rev, as a new one."""

    def post(self, request: Request, name: str) -> Response:
        project = self.project_to_change(name)
        body = parsing.fitting(request.data, parsing.ROLLBACK)
        changeset = rollback.to(
            project.id,
            body["rev"],
            by=self.actor,
            reason=body.get("reason", ""),
            run_id=api.resolve_run(request),
            call_id=parsing.call_id(project, self.actor, body.get("key")),
        )
        return Response(rendering.change(feed.describe([changeset])[0]), status=201)


class Brief(ProjectDoor):
    """POST projects/{name}/brief/ {budget_tokens, since_rev?}: what to know, within a budget."""

    def post(self, request: Request, name: str) -> Response:
        project = self.project(name)
        body = parsing.fitting(request.data, parsing.BRIEF)
        shown = briefs.write(
            project,
            reader_id=reads.reader(self.actor, api.resolve_run(request)),
            budget_tokens=body.get("budget_tokens", 4_000),
            since_rev=body.get("since_rev"),
        )
        return Response(shown)


class Diff(ProjectDoor):
    """GET projects/{name}/diff/?from=&to=&path=: unified differences between two revs."""

    def get(self, request: Request, name: str) -> Response:
        project = self.project(name)
        asked = request.query_params
        to = files.current_rev(project.id, parsing.number(asked, "to"))
        start = parsing.number(asked, "from")
        start = max(to - 1, 0) if start is None else start
        only = asked.getlist("path") or None
        paths = [path for path, _, _ in diffs.changes(project.id, start, to, paths=only)]
        if only and not paths:
            raise NotFound(f"None of the paths differs between rev {start} and rev {to}.")
        found = diffs.between(project.id, start, to, paths=paths[:DIFFED_FILES])
        return Response(
            {
                "from": start,
                "to": to,
                "files": [rendering.diff(each) for each in found],
                "left_out": paths[DIFFED_FILES:],
            }
        )
