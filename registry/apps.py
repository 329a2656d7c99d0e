from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "registry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate
        from kernel import ciphers

        from registry import alignment, catalogue, checks, upstreams
        from registry.discovery import schema

        catalogue.register_kinds()
        alignment.register_kinds()
        upstreams.register_kind()
        checks.begin()
        ciphers.keep("registry.SecretValue", ciphertext="ciphertext", key="key")
        post_migrate.connect(schema.install, sender=self, dispatch_uid="registry.discovery")
