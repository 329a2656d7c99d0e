"""Executed examples in the admin: read only."""

from django.contrib import admin
from kernel.admin import HappeningAdmin

from orchestration.models import ExampleRun


@admin.register(ExampleRun)
class ExampleRunAdmin(HappeningAdmin):
    list_display = ("tool_version", "position", "passed", "agent_name", "ran_at")
    list_filter = ("passed",)
    list_select_related = ("tool_version",)
    search_fields = ("tool_version__tool__name", "agent_name")
