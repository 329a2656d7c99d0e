"""`manage.py upstreams sync [NAME]`: fetch the lists of upstream servers and compare them."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from kernel.actor import SYSTEM

from orchestration import upstreams
from orchestration.upstreams import Report
from registry.models import UpstreamServer


class Command(BaseCommand):
    help = "Compare what upstream MCP servers offer with what was approved."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("sync", "test"))
        parser.add_argument("name", nargs="?", help="One server; all active ones when empty.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = UpstreamServer.objects.select_related("team").order_by("name")
        if options["name"]:
            rows = rows.filter(name=options["name"])
            if not rows.exists():
                raise CommandError(f"There is no upstream server {options['name']!r}.")
        else:
            rows = rows.filter(is_active=True)
        act = upstreams.sync if options["action"] == "sync" else upstreams.test
        reports = []
        for server in rows:
            self.stderr.write(f"{server.name}: asking")
            reports.append(act(server, by=SYSTEM))
        upstreams.close()
        if options["json"]:
            self.stdout.write(json.dumps({"servers": [each.as_json() for each in reports]}))
        else:
            for report in reports:
                self.stdout.write(f"{report.server}: {_told(report)}")
        if any(report.error or report.observation.drifted for report in reports):
            sys.exit(1)


def _told(report: Report) -> str:
    if report.error:
        return f"failed: {report.error}"
    seen = report.observation
    parts = [f"{seen.tools} tools"]
    for name in ("new", "drifted", "gone", "quarantined"):
        found = getattr(seen, name)
        parts += [f"{name}: {', '.join(found)}"] if found else []
    return "; ".join(parts)
