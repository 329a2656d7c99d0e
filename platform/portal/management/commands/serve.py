"""`manage.py serve`: web, worker and timer in one process."""

import os
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError
from kernel import env
from kernel.problems import Problem

from governance.models import Approval
from governance.models.approvals import ApprovalStatus
from portal import catalogue, demo, installation, server, welcome
from portal.installation import Prepared

# How long the first run may take to its gate before nothing more is said of it.
FIRST_GATE_SECONDS = 900


class Command(BaseCommand):
    help = "Serve web, worker and timer from one process, on the home's own database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", default=os.environ.get("PORT") or "8000")
        parser.add_argument(
            "--setup",
            action="store_true",
            help="make the home ready first, and start its first run",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            at = server.address(options["host"], options["port"])
            with server.home_held(settings.VAR):
                server.note_holder(settings.VAR, at)
                status = self._serve(at, setup=options["setup"])
        except (server.ServerError, catalogue.CatalogueFault) as error:
            raise CommandError(str(error)) from error
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads of the pools may still wait for what can't be interrupted; nothing is left to do.
        os._exit(status)

    def _serve(self, at: server.Address, *, setup: bool) -> int:
        if "BASE_URL" not in os.environ:
            settings.BASE_URL = at.url
        prepared = installation.prepare() if setup else installation.NOTHING_NEW
        # What can't be decrypted is told now, and not by the first call that needs it.
        self.check(tags=[Tags.security])
        return server.Embedded(at, started=lambda: _started(prepared, setup=setup)).run()


def _started(prepared: Prepared, *, setup: bool) -> None:
    """What happens once the server answers: the welcome, and a new home's first run."""
    welcome.show(settings.BASE_URL, prepared)
    if setup and env.flag("FIRST_RUN", default=True):
        _first_run()


def _first_run() -> None:
    try:
        first = demo.first_run()
    except Problem as problem:
        welcome.tell(f"The first run couldn't be started: {problem.detail}")
        return
    if first is not None:
        welcome.tell(f"The first run is on its way to its human gate: {first.url}")
    _tell_what_waits(FIRST_GATE_SECONDS if first else 0)


def _tell_what_waits(patience: float) -> None:
    """Say where people are asked, once a question is open; with patience for the first one."""
    deadline = time.monotonic() + patience
    waiting = Approval.objects.filter(status=ApprovalStatus.OPEN)
    while not waiting.exists():
        if time.monotonic() > deadline:
            return
        time.sleep(1)
    for approval in waiting.order_by("id")[:5]:
        welcome.tell(f"Waiting for a reviewer: {settings.BASE_URL}/approvals/{approval.id}/")
