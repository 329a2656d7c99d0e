"""The REST doors of tool calls."""

import hashlib
from typing import Any, NoReturn
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from kernel import api, clock
from kernel.actor import Actor
from kernel.api import Door
from kernel.problems import Conflict, Forbidden, Invalid, Issue, NotFound
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance import audit
from orchestration import calls
from orchestration.api import bodies
from orchestration.api.bodies import Strict
from orchestration.calls import binding, references, rendering
from orchestration.models import ToolCall
from registry import notices
from registry.authentication import Caller

WAIT = "X-Gatehouse-Wait"
KEY = "Idempotency-Key"
MAX_KEY = 200
FILTERS = {
    "tool": "tool_name",
    "agent": "agent_name",
    "status": "status",
    "reason": "reason",
    "environment": "environment",
    "effect": "effect",
}
IDS = {"run": "run_id", "task": "task_id", "step": "step_id"}


@extend_schema_field(OpenApiTypes.OBJECT)
class Arguments(serializers.Field):  # type: ignore[type-arg]
    """The arguments as they came: the tool's own schema judges them."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class CallBody(Strict):
    """What a call is asked with."""

    arguments = Arguments(default=dict)
    version = serializers.CharField(required=False, allow_null=True, max_length=64)
    run = serializers.UUIDField(required=False, allow_null=True)
    idempotency_key = serializers.CharField(required=False, allow_null=True, max_length=MAX_KEY)
    environment = serializers.CharField(required=False, allow_null=True, max_length=20)


class Calling(Door):
    """POST tools/{name}/call/: 200 when it was executed, 202 when it waits, or a problem."""

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        # Only now and then: a stranger must not fill the log.
        audit.record_seldom(
            "tool_call.refused",
            key=str(request.META.get("REMOTE_ADDR", "")),
            target_kind="tool",
            target_name=self.kwargs.get("name", ""),
            reason="unauthenticated",
        )
        super().permission_denied(request, message, code)

    @extend_schema(request=CallBody, responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT})
    def post(self, request: Request, name: str) -> Response:
        asked = _request(request, name)
        try:
            call = calls.invoke(asked)
        except calls.Parked as parked:
            call = parked.call
        except calls.Repeated as repeated:
            call = repeated.call
        return _answer(call)


def _request(request: Request, name: str) -> calls.CallRequest:
    caller = request.user
    if not isinstance(caller, Caller):
        raise Forbidden("Tools are called by agents, with a key. People use the admin's tool page.")
    body = bodies.parsed(CallBody, request)
    token = request.headers.get(binding.HEADER, "")
    bound = binding.of(caller.credential, token=token, run=body.get("run"), at=clock.now())
    return calls.CallRequest(
        tool=name,
        arguments=body["arguments"],
        actor=caller.actor,
        agent=caller.agent,
        version=body.get("version"),
        environment=body.get("environment"),
        run_id=bound.run_id,
        step_id=bound.step_id,
        task_id=bound.task_id,
        team_id=bound.team_id,
        idempotency_key=body.get("idempotency_key") or _key(request),
        objection=bound.objection,
    )


def _key(request: Request) -> str | None:
    """The header that does as well as the body's member."""
    found = request.headers.get(KEY)
    if found and (len(found) > MAX_KEY or not found.isprintable()):
        issue = Issue("/idempotency_key", f"at most {MAX_KEY} printable characters")
        raise Invalid(f"The {KEY} header doesn't fit.", errors=(issue,))
    return found


def _answer(call: ToolCall) -> Response:
    status = 200 if rendering.has_ended(call) else 202
    headers = {"Location": rendering.url(call)} | notices.headers(call.tool_version)
    body = calls.render(call) | {"warnings": notices.warnings(call.tool_version)}
    return Response(body, status=status, headers=headers)


class CallList(Door):
    """GET tool-calls/: filters tool, agent, status, reason, environment, effect, run, task,
    step."""

    @extend_schema(
        parameters=[OpenApiParameter(name, str) for name in (*FILTERS, *IDS)],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        visible = ToolCall.objects.visible_to(self.actor).select_related("approval")
        rows = _narrowed(visible, request)
        rows = api.filtered("tool_call", rows, request, self.actor)
        return api.paged(self, request, rows, rendering.summary)


def _narrowed(rows: QuerySet[ToolCall], request: Request) -> QuerySet[ToolCall]:
    for parameter, field in FILTERS.items():
        if parameter in request.query_params:
            rows = rows.filter(**{field: request.query_params[parameter]})
    for parameter, field in IDS.items():
        if parameter in request.query_params:
            rows = rows.filter(**{field: _id(parameter, request.query_params[parameter])})
    return rows


def _id(parameter: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        issue = Issue(f"/{parameter}", f"{text[:60]!r} is no id")
        raise Invalid(f"?{parameter}={text[:60]} is no id.", errors=(issue,)) from error


class CallDetail(Door):
    """GET tool-calls/{id}/: with `?wait=` whoever serves it asks again while the header says so."""

    @extend_schema(parameters=[OpenApiParameter("wait", int)], responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, call_id: UUID) -> Response:
        call = _found(self.actor, call_id)
        headers = {} if rendering.has_ended(call) else {WAIT: "pending"}
        return Response(calls.render(call), headers=headers)


class CallResult(Door):
    """GET tool-calls/{id}/result/: the result alone, whole, for whoever may read the call."""

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, call_id: UUID) -> HttpResponse:
        call = _found(self.actor, call_id)
        if not rendering.has_ended(call):
            raise Conflict(f"Call {call_id} is {call.status}: it has no result yet.")
        content = references.content(call)
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "Content-Disposition": f'attachment; filename="{call_id}.json"',
            "Cache-Control": "private, no-store",
        }
        return HttpResponse(content, content_type=references.MEDIA_TYPE, headers=headers)


def _found(actor: Actor, call_id: UUID) -> ToolCall:
    rows = ToolCall.objects.visible_to(actor).select_related("payload", "approval")
    call: ToolCall | None = rows.filter(id=call_id).first()
    if call is None:
        raise NotFound(f"There is no call {call_id} for you. See GET /api/v1/tool-calls/.")
    return call
