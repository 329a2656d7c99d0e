"""The REST doors of workflows: read, and started."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from kernel import api
from kernel.api import Door
from kernel.problems import Forbidden
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration import runs
from orchestration.api import bodies, found
from orchestration.models import Workflow
from orchestration.runs import rendering

BODY = {200: OpenApiTypes.OBJECT}


def listed(workflow: Workflow) -> dict[str, Any]:
    live = workflow.live_version
    return {
        "name": workflow.name,
        "team": workflow.team.name,
        "description": workflow.description,
        "version": live.version if live else None,
        "baseline_minutes": str(workflow.baseline_minutes),
    }


class WorkflowList(Door):
    """GET workflows/."""

    @extend_schema(responses=BODY)
    def get(self, request: Request) -> Response:
        rows: QuerySet[Any] = Workflow.objects.visible_to(self.actor)
        rows = rows.filter(live_version__isnull=False)
        rows = api.filtered("workflow", rows, request, self.actor)
        rows = rows.select_related("live_version", "team")
        return api.paged(self, request, rows, listed, ordering="name")


class WorkflowDetail(Door):
    """GET workflows/{name}/?version=: the whole definition."""

    @extend_schema(responses=BODY)
    def get(self, request: Request, name: str) -> Response:
        workflow = found.workflow(self.actor, name)
        version = runs.version_of(workflow, request.query_params.get("version"))
        versions = list(workflow.versions.values_list("version", flat=True)[:50])
        return Response(
            listed(workflow)
            | {
                "version": version.version,
                "checksum": version.checksum,
                "published_at": version.published_at,
                "published_by": version.published_by,
                "definition": version.document,
                "versions": versions,
            }
            | api.parts("workflow", workflow, self.actor)
        )


class WorkflowRuns(Door):
    """POST workflows/{name}/runs/: start a run."""

    @extend_schema(request=bodies.StartBody, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, name: str) -> Response:
        workflow = found.workflow(self.actor, name)
        found.refuse_task_key(request)
        body = bodies.read(bodies.StartBody, request)
        self._refuse_promotion(request, body["environment"])
        run = runs.start(
            workflow,
            input=body["input"],
            project=found.project(self.actor, body.get("project") or body["input"].get("project")),
            by=self.actor,
            version=body.get("version"),
            step_by_step=body["step_by_step"],
            environment=body["environment"],
        )
        place = f"/api/v1/runs/{run.id}/"
        return Response(rendering.render(run), status=201, headers={"Location": place})

    def _refuse_promotion(self, request: Request, environment: str) -> None:
        """A caller can't promote itself: an agent of staging starts nothing in production."""
        agent = getattr(request.user, "agent", None)
        if agent is not None and environment == "production" and agent.environment != "production":
            raise Forbidden(f"Agent {agent.name} works in staging and starts no production run.")
