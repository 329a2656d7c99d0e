"""Celery, which only delivers: a message is an outbox row's id, and the database is the truth."""

import os
from uuid import UUID

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("gatehouse")
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


@app.task(name="outbox.deliver")
def deliver(row_id: str) -> None:
    """Deliver one outbox row."""
    from kernel import outbox  # noqa: PLC0415 - models are loaded only after Django's setup

    outbox.deliver(UUID(row_id))
