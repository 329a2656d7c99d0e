"""Celery, which only delivers: a message is an outbox row's id, and the database is the truth."""

import os
from typing import Any
from uuid import UUID

import django
from celery import Celery, signals
from django.db import close_old_connections, connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Celery's own Django fixup closes the database connection around every task. Here a connection
# lives as long as CONN_MAX_AGE says, as it does in the web process.
app = Celery("gatehouse", fixups=[])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    task_default_queue="engine",
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"polling_interval": 0.02}
    if app.conf.broker_url and app.conf.broker_url.startswith("memory:")
    else {"socket_timeout": 10, "socket_connect_timeout": 5},
    timezone="UTC",
)
# Pool threads look up the default app, not the current one.
app.set_default()


@signals.import_modules.connect(sender=app)
def load_models(**_: Any) -> None:
    """A worker loads Django before its first task."""
    django.setup()


@signals.worker_process_init.connect
def drop_inherited_connections(**_: Any) -> None:
    """A forked worker must not share its parent's connections."""
    connections.close_all()


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def let_go(**_: Any) -> None:
    """Kept sessions and booted sandboxes end with their worker, and in order."""
    from orchestration import sandbox, upstreams  # noqa: PLC0415 - the broker's clients need none

    upstreams.close()
    sandbox.drain()


@app.task(name="outbox.deliver")
def deliver(row_id: str) -> None:
    """Deliver one outbox row."""
    from kernel import outbox  # noqa: PLC0415 - models are loaded only after Django's setup

    close_old_connections()
    try:
        outbox.deliver(UUID(row_id))
    finally:
        close_old_connections()
