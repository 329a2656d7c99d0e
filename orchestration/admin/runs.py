"""Workflows in the admin, where they are edited and published; runs and tasks, which are read."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from kernel.actor import SYSTEM, actor_of
from kernel.admin import DefinitionAdmin, HappeningAdmin
from kernel.problems import Problem
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from orchestration import workflows
from orchestration.admin.filters import EnvironmentFilter, RuntimeFilter
from orchestration.models import (
    AgentTask,
    RunEvent,
    Step,
    Workflow,
    WorkflowRun,
    WorkflowVersion,
)
from orchestration.models.runs import RunStatus, StepStatus
from orchestration.models.tasks import TaskStatus

_LABELS = {"green": "success", "red": "danger", "amber": "warning", "blue": "info", "grey": ""}


def _labels(statuses: Any) -> dict[str, str]:
    return {status.value: _LABELS[status.colour] for status in statuses}


class WorkflowForm(forms.ModelForm):  # type: ignore[type-arg]
    """The definition, refused with the line and place of every fault."""

    class Meta:
        model = Workflow
        fields = ("name", "team", "is_shared", "source")
        widgets = {"source": UnfoldAdminTextareaWidget(attrs={"rows": 40, "class": "font-mono"})}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        source = cleaned.get("source")
        if source:
            for message in faults(source):
                self.add_error("source", message)
        return cleaned


def faults(source: str) -> list[str]:
    """What is wrong with the definition, each with its place."""
    try:
        workflows.validate(source, by=SYSTEM)
    except Problem as problem:
        return [f"{issue.pointer or '/'}: {issue.message}" for issue in problem.errors] or [
            problem.detail
        ]
    return []


@admin.register(Workflow)
class WorkflowAdmin(DefinitionAdmin):
    """A workflow's definition: edit the draft, see its diff, publish it as the version it says."""

    form = WorkflowForm
    list_display = ("name", "live", "team", "baseline_minutes", "is_shared")
    list_filter = ("team", "is_shared")
    list_select_related = ("team", "live_version")
    search_fields = ("name", "description")
    readonly_fields = ("live_version", "description", "baseline_minutes", "created_at")
    actions_submit_line = ("save_and_publish",)
    fieldsets = (
        (None, {"fields": ("name", "team", "is_shared")}),
        ("Definition", {"fields": ("source",)}),
        (
            "Published",
            {"fields": ("live_version", "description", "baseline_minutes", "created_at")},
        ),
    )

    @display(description="live version", ordering="live_version__sort_key")
    def live(self, workflow: Workflow) -> str:
        return workflow.live_version.version if workflow.live_version else "—"

    @action(description="Save and publish")
    def save_and_publish(self, request: HttpRequest, obj: Workflow) -> None:
        try:
            version = workflows.publish(obj, by=actor_of(request))
        except Problem as problem:
            messages.error(request, problem.detail)
        else:
            messages.success(request, f"{obj.name} {version.version} is published.")


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(HappeningAdmin):
    list_display = ("workflow", "version", "published_at", "published_by", "checksum")
    list_filter = ("workflow",)
    list_select_related = ("workflow",)
    search_fields = ("workflow__name", "version")


class StepInline(TabularInline):  # type: ignore[misc]
    model = Step
    extra = 0
    can_delete = False
    show_change_link = True
    fields = ("name", "kind", "iteration", "status", "attempt", "started_at", "finished_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(WorkflowRun)
class WorkflowRunAdmin(HappeningAdmin):
    list_display = ("id", "workflow_name", "state", "project", "started_by_name", "created_at")
    list_filter = ("status", "workflow_version__workflow", EnvironmentFilter)
    list_select_related = ("project", "workflow_version")
    search_fields = ("id", "workflow_name", "project__name", "started_by_name")
    inlines = (StepInline,)

    @display(description="status", ordering="status", label=_labels(RunStatus))
    def state(self, run: WorkflowRun) -> str:
        return str(run.status)


@admin.register(Step)
class StepAdmin(HappeningAdmin):
    list_display = ("name", "run", "kind", "iteration", "state", "attempt", "started_at")
    list_filter = ("status", "kind")
    list_select_related = ("run",)
    search_fields = ("name", "run__id")

    @display(description="status", ordering="status", label=_labels(StepStatus))
    def state(self, step: Step) -> str:
        return str(step.status)


@admin.register(RunEvent)
class RunEventAdmin(HappeningAdmin):
    list_display = ("run", "seq", "name", "step", "iteration", "at")
    list_select_related = ("run",)
    search_fields = ("run__id", "step", "=name")


@admin.register(AgentTask)
class AgentTaskAdmin(HappeningAdmin):
    list_display = ("id", "agent_name", "state", "attempt", "runtime", "requested_by", "created_at")
    list_filter = ("status", RuntimeFilter, "agent")
    search_fields = ("id", "agent_name", "task")
    exclude = ("token_digest",)

    @display(description="status", ordering="status", label=_labels(TaskStatus))
    def state(self, task: AgentTask) -> str:
        return str(task.status)
