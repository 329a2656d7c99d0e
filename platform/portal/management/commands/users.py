"""`manage.py users add NAME --role … [--team T]`, `users password NAME`, `users list`."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from portal import people
from registry.models import User
from registry.models.people import Role


class Command(BaseCommand):
    help = "Add people, give them a new password, list them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="a new person with a random password")
        add.add_argument("name")
        add.add_argument("--role", choices=Role.values, default=Role.MEMBER.value)
        add.add_argument("--team", action="append", default=[], help="may be given repeatedly")
        add.add_argument("--email", default="")
        password = actions.add_parser("password", help="a new random password")
        password.add_argument("name")
        listing = actions.add_parser("list", help="who there is")
        for each in (add, password, listing):
            each.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            self._list(as_json=options["json"])
            return
        try:
            if options["action"] == "add":
                who = people.add(
                    options["name"],
                    options["role"],
                    teams=tuple(options["team"]),
                    email=options["email"],
                )
            else:
                who = people.new_password(options["name"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if options["json"]:
            self.stdout.write(json.dumps(who.as_json()))
            return
        self.stdout.write(f"{who.name} ({who.role}) signs in with the password {who.password}")
        self.stdout.write("It is shown this once.")

    def _list(self, *, as_json: bool) -> None:
        rows = [
            {
                "name": user.username,
                "role": user.role,
                "active": user.is_active,
                "teams": sorted(group.team.name for group in user.groups.select_related("team")),
            }
            for user in User.objects.prefetch_related("groups").order_by("username")
        ]
        if as_json:
            self.stdout.write(json.dumps({"people": rows}))
            return
        for row in rows:
            state = "" if row["active"] else "  (inactive)"
            self.stdout.write(f"{row['name']}  {row['role']}  {', '.join(row['teams'])}{state}")
