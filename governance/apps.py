from typing import Any

from django.apps import AppConfig
from kernel import append_only

PROTECTED = (
    "registry.ToolVersion",
    "governance.AuditEvent",
    "governance.LedgerEntry",
    "governance.PolicyVersion",
    "governance.Vote",
)


class GovernanceConfig(AppConfig):
    name = "governance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.core import checks
        from django.db.models.signals import post_migrate
        from kernel import acts

        from governance import approvals, audit, catalogue, curation, receivers, reviewing

        append_only.register(*PROTECTED)
        checks.register(append_only.check, checks.Tags.database)
        post_migrate.connect(self.protect, sender=self, dispatch_uid="governance.append_only")
        acts.record_with(audit.record)
        catalogue.register_kinds()
        approvals.stands_by(curation.KIND, curation.why_not)
        reviewing.register()
        receivers.connect()

    def protect(self, using: str, **kwargs: Any) -> None:
        """After every migration: whatever app registered a table, its triggers are there again."""
        append_only.install(using)
