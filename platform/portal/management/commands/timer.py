"""`manage.py timer`: the timer in a process of its own, for production."""

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand

from portal import timer


class Command(BaseCommand):
    help = "Run the timer. Start as many as you like: one holds the lease, the others stand by."

    def handle(self, *args: Any, **options: Any) -> None:
        loop = timer.Timer(timer.duties())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.ask_to_stop())
        sys.stderr.write(f"timer: {', '.join(duty.name for duty in loop.duties)}\n")
        loop.run()
