"""`manage.py setup`: make the home ready without serving it."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import catalogue, installation


class Command(BaseCommand):
    help = "Migrate, load the starter catalogue into an empty installation, make the first people."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prepared = installation.prepare()
        except catalogue.CatalogueFault as fault:
            raise CommandError(str(fault)) from fault
        if options["json"]:
            self.stdout.write(json.dumps(asdict(prepared)))
            return
        for line in prepared.lines():
            self.stdout.write(line)
