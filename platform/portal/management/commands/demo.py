"""The main job without a person, from an empty home to a merged branch."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.demo import journey, server
from portal.demo.journey import Order
from portal.demo.person import PageError
from portal.demo.progress import display


class Command(BaseCommand):
    help = "Run refactor_and_test on the sample, or on --repo, and print a summary as JSON."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repo", type=Path, help="a git repository with Python code")
        parser.add_argument(
            "--decision", choices=("approve", "reject", "changes"), default="approve"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        order = Order(choice=options["decision"], repository=options["repo"] or None)
        if order.repository is not None and not order.repository.exists():
            raise CommandError(f"There is no repository at {order.repository}.")
        result = _perform(order)
        self.stdout.write(json.dumps(result))
        if not journey.went_as_asked(order, result):
            sys.exit(1)


def _perform(order: Order) -> dict[str, Any]:
    """The summary; also where the demo itself couldn't go on."""
    try:
        with display() as shown, server.started() as scratch:
            return journey.perform(order, scratch, shown)
    except (server.DemoError, PageError) as error:
        sys.stderr.write(f"{error}\n")
        return {"run": None, "status": "failed", "reason": str(error)}
