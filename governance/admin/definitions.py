"""What people edit: policies, grants and budgets."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import DateTimeField, Model, QuerySet, Value
from django.forms import Form
from django.http import HttpRequest
from kernel import clock, money
from kernel.actor import actor_of
from kernel.admin import DefinitionAdmin
from kernel.problems import Problem
from unfold.decorators import action, display

from governance import budgets, grants, policies
from governance.forms import BudgetForm, PolicyForm
from governance.models import Budget, Grant, Policy
from governance.models.policies import PolicyStatus


@admin.register(Policy)
class PolicyAdmin(DefinitionAdmin):
    """A policy: edit the draft as YAML, publish it, and say whether it is in force."""

    form = PolicyForm
    list_display = ("name", "state", "live", "team", "description")
    list_filter = ("status", "team")
    list_select_related = ("team", "live_version")
    search_fields = ("name", "description")
    readonly_fields = ("status", "live_version", "created_at")
    actions_submit_line = ("save_and_enforce", "save_and_shadow", "retire")
    fieldsets = (
        (None, {"fields": ("name", "team", "description")}),
        ("Rules", {"fields": ("document",)}),
        ("Version", {"fields": ("version", "status", "live_version", "created_at")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A team edits its own policy; whose it is, the platform team alone decides."""
        own = super().get_readonly_fields(request, obj)
        return (*own,) if actor_of(request).is_platform else (*own, "team", "name")

    @display(description="live version", ordering="live_version__sort_key")
    def live(self, policy: Policy) -> str:
        return policy.live_version.version if policy.live_version else "—"

    @display(
        description="status",
        ordering="status",
        label={"enforced": "success", "shadow": "info", "retired": "danger", "draft": "warning"},
    )
    def state(self, policy: Policy) -> str:
        return policy.status

    @action(description="Save, publish and enforce")
    def save_and_enforce(self, request: HttpRequest, obj: Policy) -> None:
        self._publish(request, obj, PolicyStatus.ENFORCED)

    @action(description="Save and publish in shadow")
    def save_and_shadow(self, request: HttpRequest, obj: Policy) -> None:
        self._publish(request, obj, PolicyStatus.SHADOW)

    @action(description="Retire")
    def retire(self, request: HttpRequest, obj: Policy) -> None:
        _tell(request, f"{obj.name} is retired.", policies.put, obj, PolicyStatus.RETIRED)

    def _publish(self, request: HttpRequest, policy: Policy, status: str) -> None:
        def act() -> None:
            policies.publish(policy, by=actor_of(request).reference)
            policies.put(policy, status)

        _tell(request, f"{policy.name} {policy.version} is published: {status}.", act)


def _tell(request: HttpRequest, success: str, act: Any, *given: Any) -> None:
    """Do it, and say how it went, each fault with its place."""
    try:
        act(*given)
    except Problem as problem:
        faults = "; ".join(f"{issue.pointer}: {issue.message}" for issue in problem.errors)
        messages.error(request, f"{problem.detail} {faults}".strip())
    else:
        messages.success(request, success)


@admin.register(Grant)
class GrantAdmin(DefinitionAdmin):
    """A permission given to an agent. It is revoked, never deleted, so that the record stays."""

    list_display = ("agent", "permission", "state", "granted_by", "starts_at", "ends_at")
    list_filter = ("permission", "agent__team")
    list_select_related = ("agent", "permission")
    search_fields = ("agent__name", "permission__name", "reason")
    fields = (
        "agent",
        "permission",
        "reason",
        "starts_at",
        "ends_at",
        "granted_by",
        "revoked_at",
        "created_at",
    )
    readonly_fields = ("granted_by", "revoked_at", "created_at")
    actions_submit_line = ("revoke",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What was given to whom, and since when, stands once it is given."""
        own = super().get_readonly_fields(request, obj)
        return (*own, "agent", "permission", "starts_at") if obj else (*own,)

    @display(
        description="state",
        label={"live": "success", "revoked": "danger", "ended": "warning", "not yet": "info"},
    )
    def state(self, grant: Grant) -> str:
        return grants.state(grant, grant.as_of)  # type: ignore[attr-defined]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        now = Value(clock.now(), output_field=DateTimeField())
        rows: QuerySet[Any] = super().get_queryset(request).annotate(as_of=now)
        return rows

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: Any) -> None:
        if isinstance(obj, Grant) and not change:
            obj.granted_by = actor_of(request).reference
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @action(description="Revoke")
    def revoke(self, request: HttpRequest, obj: Grant) -> None:
        revoked = grants.revoke(obj, by=actor_of(request))
        messages.success(request, f"{obj} is revoked." if revoked else f"{obj} was revoked before.")


@admin.register(Budget)
class BudgetAdmin(DefinitionAdmin):
    """A limit of money per period, and how much of it this period has used."""

    form = BudgetForm
    list_display = ("name", "team", "agent", "period", "limit", "spent", "held", "is_active")
    list_filter = ("team", "period", "is_active")
    list_select_related = ("team", "agent")
    search_fields = ("name",)
    readonly_fields = ("created_at",)
    fields = ("name", "team", "agent", "period", "limit", "is_active", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return budgets.with_current(super().get_queryset(request), clock.now())

    @display(description="spent now")
    def spent(self, budget: Budget) -> str:
        return money.text(budgets.current(budget).spent_micros)

    @display(description="held now")
    def held(self, budget: Budget) -> str:
        return money.text(budgets.current(budget).held_micros)
