"""The REST doors of runs: watched and steered."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from kernel import api
from kernel.api import Door
from kernel.problems import Invalid, Issue
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration import runs
from orchestration.api import bodies, found
from orchestration.models import RunEvent, WorkflowRun
from orchestration.models.runs import RUN_ENDED
from orchestration.runs import rendering

BODY = {200: OpenApiTypes.OBJECT}
WAIT = {"X-Gatehouse-Wait": "pending"}
FILTERS = {"workflow": "workflow_name", "status": "status", "project": "project__name"}
MOST_EVENTS = 500


class RunList(Door):
    """GET runs/: filters workflow, status, project."""

    @extend_schema(parameters=[OpenApiParameter(name, str) for name in FILTERS], responses=BODY)
    def get(self, request: Request) -> Response:
        rows: QuerySet[Any] = WorkflowRun.objects.visible_to(self.actor)
        for name, field in FILTERS.items():
            if value := request.query_params.get(name):
                rows = rows.filter(**{field: value})
        rows = api.filtered("run", rows, request, self.actor)
        rows = rows.select_related("workflow_version", "project")
        return api.paged(self, request, rows, rendering.listed)


class RunDetail(Door):
    """GET runs/{id}/: with its steps, tasks, decisions and cost."""

    @extend_schema(responses=BODY)
    def get(self, request: Request, run_id: UUID) -> Response:
        run = found.run(self.actor, run_id)
        return Response(rendering.render(run) | api.parts("run", run, self.actor))


class RunEvents(Door):
    """GET runs/{id}/events/?since=&wait=: what happened, in order, after the number `since`."""

    @extend_schema(
        parameters=[OpenApiParameter("since", int), OpenApiParameter("wait", float)],
        responses=BODY,
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        run = found.run(self.actor, run_id)
        since = _number(request.query_params.get("since", "0"))
        rows = RunEvent.objects.filter(run=run, seq__gt=since).order_by("seq")[:MOST_EVENTS]
        events = [rendering.event(row) for row in rows]
        waits = not events and run.status not in RUN_ENDED and "wait" in request.query_params
        body = {
            "results": events,
            "next": events[-1]["seq"] if events else since,
            "status": run.status,
        }
        return Response(body, headers=WAIT if waits else {})


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        issue = Issue("/since", "must be the number of an event")
        raise Invalid(f"since={text!r} is no number of an event.", errors=(issue,))
    return int(text)


class RunCancel(Door):
    """POST runs/{id}/cancel/ {reason?}."""

    @extend_schema(request=bodies.ReasonBody, responses=BODY)
    def post(self, request: Request, run_id: UUID) -> Response:
        run = found.run_to_steer(self.actor, run_id)
        body = bodies.read(bodies.ReasonBody, request)
        runs.cancel(run.id, by=self.actor, reason=body["reason"])
        return Response(rendering.render(found.run(self.actor, run_id)))


class RunResume(Door):
    """POST runs/{id}/resume/: let what waits for a person begin."""

    @extend_schema(request=bodies.NothingBody, responses=BODY)
    def post(self, request: Request, run_id: UUID) -> Response:
        run = found.run_to_steer(self.actor, run_id)
        bodies.read(bodies.NothingBody, request)
        runs.resume(run.id, by=self.actor)
        return Response(rendering.render(found.run(self.actor, run_id)))


class RunFork(Door):
    """POST runs/{id}/fork/ {step}: a new run that begins there."""

    @extend_schema(request=bodies.ForkBody, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, run_id: UUID) -> Response:
        run = found.run_to_steer(self.actor, run_id)
        body = bodies.read(bodies.ForkBody, request)
        fork = runs.fork(run.id, body["step"], by=self.actor)
        return Response(rendering.render(fork), status=201)
