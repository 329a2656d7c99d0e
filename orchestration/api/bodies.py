"""What the doors of runs and tasks are asked with."""

from functools import cache
from typing import Any

from kernel.problems import Invalid, Issue
from rest_framework import serializers
from rest_framework.request import Request

from orchestration.calls import bounds


class Strict(serializers.Serializer):  # type: ignore[type-arg]
    """A body whose keys are known: a misspelt one is refused, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError(dict.fromkeys(unknown, f"unknown; known: {known}"))
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Text that PostgreSQL can keep."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"max_length": 10_000, "trim_whitespace": False} | options))


class StartBody(Strict):
    input = serializers.DictField(default=dict)
    project = serializers.CharField(required=False, allow_null=True, max_length=100)
    version = serializers.CharField(required=False, allow_null=True, max_length=20)
    step_by_step = serializers.BooleanField(default=False)
    environment = serializers.ChoiceField(choices=("staging", "production"), default="staging")


class ReasonBody(Strict):
    reason = Text(default="", allow_blank=True)


class ForkBody(Strict):
    step = serializers.CharField(max_length=64)


class NothingBody(Strict):
    """A body without members."""


class TaskBody(Strict):
    task = Text(max_length=100_000)
    input = serializers.DictField(default=dict)
    project = serializers.CharField(required=False, allow_null=True, max_length=100)


class ClaimBody(Strict):
    agents = serializers.ListField(child=serializers.CharField(max_length=64), required=False)
    wait = serializers.FloatField(default=0, min_value=0, max_value=60)
    lease = serializers.FloatField(required=False, allow_null=True, min_value=1, max_value=3600)
    framework = serializers.CharField(default="", allow_blank=True, max_length=100)


class HeartbeatBody(Strict):
    token = serializers.CharField(max_length=200)
    progress = serializers.DictField(required=False, allow_null=True)
    lease = serializers.FloatField(required=False, allow_null=True, min_value=1, max_value=3600)


class EventBody(Strict):
    token = serializers.CharField(max_length=200)
    event = serializers.DictField()


class CompleteBody(Strict):
    token = serializers.CharField(max_length=200)
    output = serializers.JSONField(allow_null=True)


class FailBody(Strict):
    token = serializers.CharField(max_length=200)
    error = serializers.DictField()
    retryable = serializers.BooleanField(default=True)


def read(body: type[Strict], request: Request) -> dict[str, Any]:
    """The request's body. Raises ValidationError (400) and Invalid with pointers."""
    found = parsed(body, request)
    if unfit := bounds.faults(found):
        raise Invalid(f"{unfit[0].pointer}: {unfit[0].message}", errors=unfit)
    return found


def parsed(body: type[Strict], request: Request) -> dict[str, Any]:
    """The body as it came, text that no database holds included: for who judges that itself."""
    try:
        found: dict[str, Any] = _form(body).run_validation(request.data)
    except RecursionError as error:
        issue = Issue("", "nested too deeply")
        raise Invalid("The body is nested too deeply.", errors=(issue,)) from error
    return found


@cache
def _form(body: type[Strict]) -> Strict:
    """Made once: it keeps nothing of what it reads, and copying its fields takes longer than
    reading a body."""
    return body()
