"""`manage.py secrets set NAME`, `grant NAME TOOL`, `grant NAME --server SERVER`, `list`, `rotate`,
`new-key`."""

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand, CommandError
from kernel import ciphers
from kernel.actor import current
from kernel.problems import Problem

from registry import secrets
from registry.models import Secret, Team, Tool, UpstreamServer


class Command(BaseCommand):
    help = "Set secrets from standard input, grant them, re-encrypt them under a new key."
    # A rotation mends what the checks complain about.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        put = actions.add_parser("set", help="the value is read from standard input")
        put.add_argument("name")
        put.add_argument("--team", help="who owns it; needed for a new one")
        put.add_argument("--description", default="")
        grant = actions.add_parser("grant", help="let a tool or a server be given a secret")
        grant.add_argument("name")
        grant.add_argument("tool", nargs="?", default="")
        grant.add_argument("--server", default="", help="instead of a tool: an upstream server")
        grant.add_argument("--reason", required=True)
        listing = actions.add_parser("list", help="what there is, without values")
        rotate = actions.add_parser("rotate", help="re-encrypt under the first of SECRETS_KEYS")
        rotate.add_argument("--batch", type=int, default=ciphers.BATCH)
        key = actions.add_parser("new-key", help="print a new key; put it first in SECRETS_KEYS")
        for each in (put, grant, listing, rotate, key):
            each.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        act = getattr(self, "_" + options["action"].replace("-", "_"))
        try:
            found, sentence = act(options)
        except (Problem, ciphers.KeyFault) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(found) if options["json"] else sentence)

    def _set(self, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        secret = Secret.objects.filter(name=options["name"]).first() or self._new(options)
        secrets.put(secret, _read(), by=current())
        return {"secret": secret.name}, f"Secret {secret.name} of team {secret.team} is set."

    def _new(self, options: dict[str, Any]) -> Secret:
        team = Team.objects.filter(name=options["team"]).first()
        if team is None:
            raise CommandError(f"Secret {options['name']!r} is new: name its team, --team TEAM.")
        made = Secret(name=options["name"], team=team, description=options["description"])
        made.full_clean()
        made.save()
        return made

    def _grant(self, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        secret = Secret.objects.filter(name=options["name"]).first()
        if bool(options["tool"]) == bool(options["server"]):
            raise CommandError("Name a tool, or a server: --server SERVER.")
        noun, model = ("server", UpstreamServer) if options["server"] else ("tool", Tool)
        holder: Any = model.objects.filter(name=options[noun]).first()
        if secret is None or holder is None:
            missing = options["name"] if secret is None else options[noun]
            raise CommandError(f"There is no {missing!r}.")
        secrets.give(secret, holder, by=current(), reason=options["reason"])
        found = {"secret": secret.name, noun: holder.name}
        return found, f"{noun.capitalize()} {holder} may be given secret {secret}."

    def _list(self, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        rows = [secrets.shown(each) for each in secrets.listed(Secret.objects.all())]
        lines = [f"{row['name']}  {row['team']}  set {row['set_at'] or 'never'}" for row in rows]
        return {"secrets": rows}, "\n".join(lines)

    def _rotate(self, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        total = ciphers.stale()

        def told(done: int) -> None:
            self.stderr.write(f"{done} of {total}")

        done = ciphers.rotate(batch=options["batch"], told=told)
        first = ciphers.fingerprints()[0]
        if done:
            secrets.tell_rotated(done, first)
        return {"rotated": done, "key": first}, f"{done} values are now under key {first}."

    def _new_key(self, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        key = Fernet.generate_key().decode()
        return {"key": key}, key


def _read() -> str:
    """The value, without the line's end that a shell adds."""
    if sys.stdin.isatty():
        return getpass.getpass("Value (not shown): ")
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")
