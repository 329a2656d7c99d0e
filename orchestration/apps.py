from django.apps import AppConfig


class OrchestrationConfig(AppConfig):
    name = "orchestration"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from kernel import api, append_only

        from orchestration import checks, workflows
        from orchestration.api import callable
        from orchestration.calls import binding

        append_only.register("orchestration.WorkflowVersion")
        workflows.register_kind()
        api.resolve_runs_by(binding.run_of)
        checks.register()
        callable.register()
