"""The REST doors of curation: proposed tools, reports about tools, requests for new ones."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from kernel import api, schemas
from kernel.api import Door
from kernel.problems import Invalid, Issue
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from registry import proposals, rendering, reports
from registry.models.curation import ProposalStatus, ReportKind, ReportStatus

_UUID = {"type": "string", "pattern": "^[0-9a-fA-F-]{32,36}$"}
_TITLE = {"type": "string", "minLength": 1, "maxLength": reports.MAX_TITLE}
_TEXT = {"type": "string", "minLength": 1, "maxLength": reports.MAX_TEXT}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    closed = {"type": "object", "properties": properties, "required": list(required)}
    return closed | {"additionalProperties": False}


PROPOSAL = _closed(
    {
        "document": {"type": "object"},
        "notes": {"type": "string", "default": "", "maxLength": proposals.MAX_NOTES},
        "base": {"type": ["string", "null"], "default": None},
        "report": {**_UUID, "type": ["string", "null"], "default": None},
    },
    "document",
)
REPORT = _closed({"title": _TITLE, "text": _TEXT}, "title", "text")
REQUEST = _closed(
    {
        "title": _TITLE,
        "text": _TEXT,
        "name": {"type": "string", "default": "", "maxLength": 64},
        "team": {"type": "string", "default": "", "maxLength": 60},
    },
    "title",
    "text",
)
ANSWER = _closed(
    {
        "status": {"enum": ["answered", "taken_up", "closed"]},
        "comment": {"type": "string", "default": "", "maxLength": reports.MAX_TEXT},
        "proposal": {**_UUID, "type": ["string", "null"], "default": None},
    },
    "status",
)


class ProposalList(Door):
    """GET tools/proposals/: those of the caller and their teams; filters: status, tool. POST
    {document, notes?, base?, report?}: propose a whole catalogue entry for review."""

    def get(self, request: Request) -> Response:
        return _proposals(self, request, proposals.visible(self.actor))

    def post(self, request: Request) -> Response:
        return _propose(self, request, None)


class ToolProposals(Door):
    """GET tools/{name}/proposals/. POST: propose a change of this tool."""

    def get(self, request: Request, name: str) -> Response:
        return _proposals(self, request, proposals.visible(self.actor).filter(name=name))

    def post(self, request: Request, name: str) -> Response:
        return _propose(self, request, name)


class ProposalDetail(Door):
    """GET tools/proposals/{id}/: the entry, what it changes, and how it was decided."""

    def get(self, request: Request, proposal_id: UUID) -> Response:
        row = proposals.find(proposal_id, self.actor)
        return Response(rendering.whole_proposal(row))


class ProposalWithdrawal(Door):
    """POST tools/proposals/{id}/withdraw/: take an open proposal back."""

    def post(self, request: Request, proposal_id: UUID) -> Response:
        row = proposals.withdraw(proposal_id, by=self.actor)
        return Response(rendering.whole_proposal(row))


class ReportList(Door):
    """GET tools/reports/: what the caller reported and what their teams own. Filters: status, kind,
    tool, and `waiting=true` for those that wait for an answer of the caller's teams."""

    def get(self, request: Request) -> Response:
        return _reports(self, request, reports.visible(self.actor))


class RequestList(Door):
    """GET tools/requests/: wishes for tools. POST {title, text, name?, team?}: wish for one."""

    def get(self, request: Request) -> Response:
        rows = reports.visible(self.actor).filter(kind=ReportKind.REQUEST)
        return _reports(self, request, rows)

    def post(self, request: Request) -> Response:
        row = reports.request_tool(**_body(request, REQUEST), by=self.actor)
        return Response(rendering.report(row), status=status.HTTP_201_CREATED)


class ToolReports(Door):
    """GET tools/{name}/reports/. POST {title, text}: tell the owner of a problem with the tool."""

    def get(self, request: Request, name: str) -> Response:
        return _reports(self, request, reports.visible(self.actor).filter(tool__name=name))

    def post(self, request: Request, name: str) -> Response:
        row = reports.report_problem(name, **_body(request, REPORT), by=self.actor)
        return Response(rendering.report(row), status=status.HTTP_201_CREATED)


class ReportDetail(Door):
    """GET tools/reports/{id}/."""

    def get(self, request: Request, report_id: UUID) -> Response:
        return Response(rendering.report(reports.find(report_id, self.actor)))


class ReportAnswer(Door):
    """POST tools/reports/{id}/answer/ {status, comment, proposal?}: the owner's answer."""

    def post(self, request: Request, report_id: UUID) -> Response:
        reports.find(report_id, self.actor)
        body = _body(request, ANSWER)
        row = reports.answer(
            report_id,
            by=self.actor,
            status=body["status"],
            comment=body["comment"],
            proposal_id=_uuid(body["proposal"], "/proposal"),
        )
        return Response(rendering.report(row))


def _propose(door: Door, request: Request, name: str | None) -> Response:
    body = _body(request, PROPOSAL)
    row = proposals.submit(
        body["document"],
        by=door.actor,
        notes=body["notes"],
        name=name,
        base=body["base"],
        report_id=_uuid(body["report"], "/report"),
    )
    return Response(rendering.whole_proposal(row), status=status.HTTP_201_CREATED)


def _proposals(door: Door, request: Request, rows: QuerySet[Any]) -> Response:
    rows = _chosen(rows, request, "status", ProposalStatus.values)
    if tool := request.query_params.get("tool"):
        rows = rows.filter(name=tool)
    return api.paged(door, request, rows, rendering.proposal)


def _reports(door: Door, request: Request, rows: QuerySet[Any]) -> Response:
    if request.query_params.get("waiting") == "true":
        rows = rows.filter(id__in=reports.waiting_for(door.actor).order_by().values("id"))
    rows = _chosen(rows, request, "status", ReportStatus.values)
    rows = _chosen(rows, request, "kind", ReportKind.values)
    if tool := request.query_params.get("tool"):
        rows = rows.filter(tool_name=tool)
    return api.paged(door, request, rows, rendering.report)


def _chosen(
    rows: QuerySet[Any], request: Request, parameter: str, known: list[str]
) -> QuerySet[Any]:
    value = request.query_params.get(parameter)
    if not value:
        return rows
    if value not in known:
        issue = Issue(f"/{parameter}", f"write one of {', '.join(known)}")
        raise Invalid(f"There is no {parameter} {value!r}.", errors=(issue,))
    return rows.filter(**{parameter: value})


def _body(request: Request, schema: dict[str, Any]) -> dict[str, Any]:
    faults = schemas.faults_of_value(request.data, schema)
    if faults:
        raise Invalid("This body doesn't fit.", errors=faults)
    return schemas.with_defaults(dict(request.data), schema)


def _uuid(text: str | None, pointer: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise Invalid(f"{text!r} is no id.", errors=(Issue(pointer, "write a UUID"),)) from error
