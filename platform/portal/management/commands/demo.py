"""The main job without a person, from an empty home to a merged branch."""

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from portal.demo import journey, server, summary
from portal.demo.journey import Choice, Order
from portal.demo.person import PageError
from portal.demo.progress import display
from portal.demo.server import DemoError

CHOICES: dict[str, Choice] = {"approve": "approve", "reject": "reject", "changes": "changes"}


class Command(BaseCommand):
    help = "Run refactor_and_test on the sample, or on --repo, and print a summary as JSON."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        repository, decision = os.environ.get("REPO"), os.environ.get("DECISION") or "approve"
        parser.add_argument("--repo", default=repository, help="a git repository ($REPO)")
        parser.add_argument("--decision", default=decision, help="of the reviewer ($DECISION)")
        parser.add_argument("--json", action="store_true", help="as ever: the summary is JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        result, went_well = _summary(options["repo"], options["decision"])
        self.stdout.write(json.dumps(result))
        if not went_well:
            sys.exit(1)


def _order(repository: str | None, decision: str) -> Order:
    if decision not in CHOICES:
        raise DemoError(f"DECISION={decision} isn't one of {', '.join(CHOICES)}.")
    path = Path(repository).expanduser().resolve() if repository else None
    if path is not None and not path.exists():
        raise DemoError(f"There is no repository at {path}. Name one with REPO=PATH.")
    return Order(choice=CHOICES[decision], repository=path)


def _summary(repository: str | None, decision: str) -> tuple[dict[str, Any], bool]:
    """The document, and whether the run ended as it was asked; whatever was in the way."""
    try:
        order = _order(repository, decision)
        with display() as shown, server.started() as scratch:
            result = journey.perform(order, scratch, shown)
    except (DemoError, PageError) as error:
        sys.stderr.write(f"{error}\n")
        return summary.of_failure(str(error)), False
    return result, journey.went_as_asked(order, result)
