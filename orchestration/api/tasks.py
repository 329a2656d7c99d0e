"""The REST doors of agent tasks: handed out, claimed, reported."""

from datetime import timedelta
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from kernel import api
from kernel.api import Door
from kernel.problems import Forbidden
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration import tasks
from orchestration.api import bodies, found
from orchestration.models import AgentTask
from orchestration.tasks import rendering
from registry.models import Agent

WAIT = {"X-Gatehouse-Wait": "pending"}
TASK = {200: OpenApiTypes.OBJECT}


class AgentTasks(Door):
    """GET, POST agents/{name}/tasks/: an agent's tasks; hand it one."""

    @extend_schema(responses=TASK)
    def get(self, request: Request, name: str) -> Response:
        agent = found.agent(self.actor, name)
        rows = AgentTask.objects.visible_to(self.actor).filter(agent=agent)
        if status := request.query_params.get("status"):
            rows = rows.filter(status=status)
        rows = rows.select_related("project", "step", "run__workflow_version")
        return api.paged(self, request, rows, rendering.task)

    @extend_schema(request=bodies.TaskBody, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, name: str) -> Response:
        agent = found.agent(self.actor, name)
        found.refuse_task_key(request)
        if not (self.actor.is_platform or agent.team_id in self.actor.teams):
            raise Forbidden(f"Only team {agent.team.name} hands tasks to agent {name}.")
        body = bodies.read(bodies.TaskBody, request)
        project = found.project(self.actor, body.get("project"))
        task = tasks.queue(
            agent, task=body["task"], input=body["input"], project=project, by=self.actor
        )
        return Response(rendering.task(task), status=201)


class Claim(Door):
    """POST tasks/claim/: the oldest queued task of the calling agent, with its token; 204 when
    there is none, after `wait` seconds of the body."""

    @extend_schema(request=bodies.ClaimBody, responses={**TASK, 204: None})
    def post(self, request: Request) -> Response:
        caller = found.caller(request)
        found.refuse_task_key(request)
        body = bodies.read(bodies.ClaimBody, request)
        _refuse_others(caller.agent, body.get("agents"))
        lease = timedelta(seconds=body["lease"]) if body.get("lease") else None
        claimed = tasks.claim(
            [caller.agent], by=self.actor, lease=lease, framework=body["framework"]
        )
        if claimed is None:
            return Response(status=204, headers=WAIT if body["wait"] else {})
        return Response(rendering.claimed(claimed))


def _refuse_others(agent: Agent, names: list[str] | None) -> None:
    others = [name for name in names or [] if name != agent.name]
    if others:
        raise Forbidden(f"This key is {agent.name}'s; it claims no task of {', '.join(others)}.")


class TaskDetail(Door):
    """GET tasks/{id}/."""

    @extend_schema(responses=TASK)
    def get(self, request: Request, task_id: UUID) -> Response:
        return Response(rendering.task(found.task(self.actor, task_id)))


class Heartbeat(Door):
    """POST tasks/{id}/heartbeat/: keep the lease; `cancelled` says to stop."""

    @extend_schema(request=bodies.HeartbeatBody, responses=TASK)
    def post(self, request: Request, task_id: UUID) -> Response:
        found.held_task(request, self.actor, task_id)
        body = bodies.read(bodies.HeartbeatBody, request)
        lease = timedelta(seconds=body["lease"]) if body.get("lease") else None
        beat = tasks.heartbeat(task_id, body["token"], body.get("progress"), lease)
        return Response({"cancelled": beat.cancelled, "lease_until": beat.lease_until})


class Events(Door):
    """POST tasks/{id}/events/: add to the run's history."""

    @extend_schema(request=bodies.EventBody, responses=TASK)
    def post(self, request: Request, task_id: UUID) -> Response:
        found.held_task(request, self.actor, task_id)
        body = bodies.read(bodies.EventBody, request)
        tasks.event(task_id, body["token"], body["event"])
        return Response({}, status=201)


class Complete(Door):
    """POST tasks/{id}/complete/: the result, accepted once."""

    @extend_schema(request=bodies.CompleteBody, responses=TASK)
    def post(self, request: Request, task_id: UUID) -> Response:
        found.held_task(request, self.actor, task_id)
        body = bodies.read(bodies.CompleteBody, request)
        return Response(rendering.task(tasks.complete(task_id, body["token"], body["output"])))


class Fail(Door):
    """POST tasks/{id}/fail/: what went wrong, and whether another attempt might help."""

    @extend_schema(request=bodies.FailBody, responses=TASK)
    def post(self, request: Request, task_id: UUID) -> Response:
        found.held_task(request, self.actor, task_id)
        body = bodies.read(bodies.FailBody, request)
        failed = tasks.fail(task_id, body["token"], body["error"], retryable=body["retryable"])
        return Response(rendering.task(failed))
