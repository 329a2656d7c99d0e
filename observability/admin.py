"""The rollups in the admin: read only, for whoever wonders where a tile's number comes from."""

from django.contrib import admin
from kernel import money
from kernel.admin import HappeningAdmin

from observability.models import AgentHour, DirtyHour, Fold, TeamHour, ToolHour, UsageDay, UsageHour


@admin.register(AgentHour)
class AgentHourAdmin(HappeningAdmin):
    list_display = (
        "hour", "agent_name", "tasks_succeeded", "tasks_failed", "calls", "cost", "minutes_saved"
    )  # fmt: skip
    list_filter = ("hour",)
    ordering = ("-hour",)
    search_fields = ("agent_name",)

    @admin.display(ordering="cost_micros")
    def cost(self, row: AgentHour) -> str:
        return money.text(row.cost_micros)


@admin.register(ToolHour)
class ToolHourAdmin(HappeningAdmin):
    list_display = ("hour", "tool_name", "calls", "failed", "refused", "cost")
    list_filter = ("hour",)
    ordering = ("-hour",)
    search_fields = ("tool_name",)

    @admin.display(ordering="cost_micros")
    def cost(self, row: ToolHour) -> str:
        return money.text(row.cost_micros)


@admin.register(TeamHour)
class TeamHourAdmin(HappeningAdmin):
    list_display = (
        "hour", "team_id", "runs_succeeded", "runs_failed", "runs_rejected",
        "run_minutes", "reviews", "review_minutes",
    )  # fmt: skip
    list_filter = ("hour",)
    ordering = ("-hour",)


@admin.register(UsageDay, UsageHour)
class UsageAdmin(HappeningAdmin):
    list_display = ("tool_name", "version", "agent_name", "workflow", "calls", "refused", "last_at")
    search_fields = ("tool_name", "agent_name", "workflow")


@admin.register(Fold)
class FoldAdmin(HappeningAdmin):
    list_display = ("through", "patrol", "folded_at")


@admin.register(DirtyHour)
class DirtyHourAdmin(HappeningAdmin):
    list_display = ("hour",)
