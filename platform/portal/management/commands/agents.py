"""`manage.py agents key NAME`: a new key for an agent, shown once."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from kernel import clock

from registry import keys
from registry.models import Agent


class Command(BaseCommand):
    help = "Issue a key for an agent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        key = actions.add_parser("key", help="issue a key; its text is shown this once")
        key.add_argument("name")
        key.add_argument("--label", default="")
        key.add_argument("--days", type=int, help="the key ends by itself after so many days")
        key.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        agent = Agent.objects.filter(name=options["name"]).first()
        if agent is None:
            known = ", ".join(Agent.objects.values_list("name", flat=True)[:20])
            raise CommandError(f"There is no agent {options['name']!r}. There are: {known}.")
        days = options["days"]
        ends = clock.now() + timedelta(days=days) if days else None
        new = keys.issue(agent, label=options["label"], expires_at=ends)
        if options["json"]:
            expires = ends.isoformat() if ends else None
            document = {"agent": agent.name, "key": new.text, "expires_at": expires}
            self.stdout.write(json.dumps(document))
            return
        self.stdout.write(new.text)
