"""`manage.py runs verify [RUN]`: do the histories hold?"""

import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from orchestration import runs
from orchestration.models import WorkflowRun


class Command(BaseCommand):
    help = "Check the histories of runs: dense numbers, one ending, each result accepted once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("verify",))
        parser.add_argument("run", nargs="?", type=UUID, help="One run; all of them when empty.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = WorkflowRun.objects.order_by("id")
        if options["run"] is not None:
            rows = rows.filter(id=options["run"])
            if not rows.exists():
                raise CommandError(f"There is no run {options['run']}.")
        checked, found = 0, {}
        for run_id in rows.values_list("id", flat=True).iterator():
            checked += 1
            if faults := runs.verify(run_id):
                found[str(run_id)] = faults
        if options["json"]:
            self.stdout.write(json.dumps({"checked": checked, "faults": found}))
        else:
            for run, faults in found.items():
                for fault in faults:
                    self.stdout.write(f"{run}: {fault}")
            self.stdout.write(f"{checked} runs, {len(found)} with faults")
        if found:
            sys.exit(1)
