"""What is searched of the tools, for a look: nobody writes it by hand."""

from django.contrib import admin
from kernel.admin import HappeningAdmin

from registry.models import ToolEntry


@admin.register(ToolEntry)
class ToolEntryAdmin(HappeningAdmin):
    list_display = ("tool", "executor", "data_class", "model", "has_vector")
    list_filter = ("executor", "data_class", "model")
    list_select_related = ("tool",)
    search_fields = ("tool__name",)
    fields = (
        "tool", "text", "tags", "permissions", "environments", "data_class", "executor",
        "cost_micros", "facts", "model", "dimension", "checksum",
    )  # fmt: skip

    @admin.display(boolean=True, description="vector is up to date")
    def has_vector(self, row: ToolEntry) -> bool:
        return bool(row.vector_checksum) and row.vector_checksum == row.text_checksum
