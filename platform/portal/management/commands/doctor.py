"""`manage.py doctor`: what is in force on this machine, and what is wrong."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal import doctor


class Command(BaseCommand):
    help = "Tell what is in force: Python, database, broker, keys, sandbox, timer."
    # It reports the checks itself instead of stumbling over them.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = doctor.examine()
        ok = not any(finding.problems for finding in findings)
        if options["json"]:
            document = {finding.part: finding.as_json() for finding in findings}
            self.stdout.write(json.dumps({"ok": ok} | document, default=str))
        else:
            self._tell(findings)
        if not ok:
            sys.exit(1)

    def _tell(self, findings: list[doctor.Finding]) -> None:
        for finding in findings:
            mark = "✗" if finding.problems else "•" if finding.notes else "✓"
            self.stdout.write(f"{mark} {finding.part:9} {finding.summary}")
            for line in (*finding.problems, *finding.notes):
                self.stdout.write(f"    {line}")
