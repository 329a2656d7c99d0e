"""The REST doors of governance: approvals and votes, policies, budgets, the audit log."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from kernel import api, clock, schemas
from kernel.api import Door
from kernel.problems import Invalid, Issue, NotFound
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from governance import approvals, budgets, rendering, trail
from governance.models import Approval, Budget, Policy
from governance.models.approvals import ApprovalStatus
from registry.models import User

VOTE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "decision": {"enum": ["approve", "request_changes", "reject"]},
        "comment": {"type": "string", "default": "", "maxLength": approvals.MAX_COMMENT},
        "fields": {"type": "object", "default": {}},
        "seen": {"type": "string", "description": "The digest of what was shown to the voter."},
    },
    "required": ["decision"],
    "additionalProperties": False,
}


class ApprovalList(Door):
    """GET approvals/: the questions that the caller may read. Filters: status, kind, subject, and
    `waiting=true` for those that wait for the caller's own vote."""

    def get(self, request: Request) -> Response:
        asked = request.query_params
        rows = approvals.visible(self.actor)
        if asked.get("waiting") == "true":
            rows = approvals.waiting_for(self.actor)
        rows = _chosen(rows, asked.get("status"), ApprovalStatus.values, "status")
        if kind := asked.get("kind"):
            rows = rows.filter(kind=kind)
        if subject := asked.get("subject"):
            rows = rows.filter(subject_id=_uuid(subject, "/subject"))
        return api.paged(self, request, rows, rendering.approval)


class ApprovalDetail(Door):
    """GET approvals/{id}/: the question, what was shown, the votes."""

    def get(self, request: Request, approval_id: UUID) -> Response:
        return Response(_whole(self, approval_id))


class VoteList(Door):
    """POST approvals/{id}/votes/ {decision, comment, fields}: one person's vote."""

    def post(self, request: Request, approval_id: UUID) -> Response:
        if not approvals.visible(self.actor).filter(id=approval_id).exists():
            raise NotFound("There is no such approval, or it isn't visible to you.")
        if not isinstance(request.user, User):
            raise approvals.NotAsked("Approvals are decided by people; an agent has no vote.")
        faults = schemas.faults_of_value(request.data, VOTE)
        if faults:
            raise Invalid("This vote doesn't fit.", errors=faults)
        body = schemas.with_defaults(dict(request.data), VOTE)
        approvals.vote(approval_id, by=request.user, **body)
        return Response(_whole(self, approval_id), status=status.HTTP_201_CREATED)


def _whole(door: Door, approval_id: UUID) -> dict[str, Any]:
    row: Approval | None = approvals.visible(door.actor).filter(id=approval_id).first()
    if row is None:
        raise NotFound("There is no such approval, or it isn't visible to you.")
    parts = api.parts("approval", row, door.actor)
    return rendering.whole_approval(row, door.actor) | parts


class PolicyList(Door):
    """GET policies/: the platform's policies and those of the caller's teams. Filter: status."""

    def get(self, request: Request) -> Response:
        rows: QuerySet[Policy] = Policy.objects.visible_to(self.actor)
        rows = rows.select_related("team", "live_version")
        choices = Policy._meta.get_field("status").choices
        names = [value for value, _ in choices or ()]
        rows = _chosen(rows, request.query_params.get("status"), names, "status")
        return api.paged(self, request, rows, rendering.policy, ordering="name")


class PolicyDetail(Door):
    """GET policies/{name}/: the live document and the versions."""

    def get(self, request: Request, name: str) -> Response:
        rows = Policy.objects.visible_to(self.actor).select_related("team", "live_version")
        row = rows.filter(name=name).first()
        if row is None:
            raise NotFound(f"There is no policy {name!r} for you. See GET /api/v1/policies/.")
        return Response(rendering.whole_policy(row) | api.parts("policy", row, self.actor))


class BudgetList(Door):
    """GET budgets/: limits, and what this period has spent and holds."""

    def get(self, request: Request) -> Response:
        rows: QuerySet[Budget] = Budget.objects.visible_to(self.actor)
        rows = budgets.with_current(rows.select_related("team", "agent"), clock.now())
        return api.paged(self, request, rows, rendering.budget, ordering="name")


class AuditList(Door):
    """GET audit/: the log, the newest first. Filters: event, actor, target, target_kind, since,
    until."""

    def get(self, request: Request) -> Response:
        asked = {name: str(value) for name, value in request.query_params.items() if value}
        rows = trail.narrowed(trail.visible(self.actor), asked)
        return api.paged(self, request, rows, rendering.event)


def _chosen(
    rows: QuerySet[Any], value: str | None, known: list[str], parameter: str
) -> QuerySet[Any]:
    if not value:
        return rows
    if value not in known:
        raise Invalid(
            f"There is no {parameter} {value!r}.",
            errors=(Issue(f"/{parameter}", f"write one of {', '.join(known)}"),),
        )
    return rows.filter(**{parameter: value})


def _uuid(text: str, pointer: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no id.", errors=(Issue(pointer, "write a UUID"),)) from error
