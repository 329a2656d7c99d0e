from django.apps import AppConfig


class OrchestrationConfig(AppConfig):
    name = "orchestration"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from kernel import api, append_only, ciphers

        from orchestration import checks, workflows
        from orchestration.api import callable
        from orchestration.calls import binding
        from orchestration.pages import tools as tool_panels

        append_only.register("orchestration.WorkflowVersion")
        ciphers.keep("orchestration.ToolCallPayload", ciphertext="sealed", key="sealed_key")
        workflows.register_kind()
        api.resolve_runs_by(binding.run_of)
        checks.register()
        callable.register()
        tool_panels.register()
