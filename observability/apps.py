from django.apps import AppConfig


class ObservabilityConfig(AppConfig):
    name = "observability"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from kernel import console
        from kernel.console import Panel

        from observability import impact, tool_usage

        template = "observability/_impact.html"
        console.add_panel(Panel("tool_lifecycle", "impact", template, impact.panel, order=10))
        console.add_panel(Panel("tool", "impact", template, impact.panel, order=90))
        template = "admin/observability/impact.html"
        console.add_panel(Panel("tool_admin", "impact", template, impact.panel))
        tool_usage.register()
