"""`manage.py tools import openapi|mcp|openai|anthropic SOURCE`, `tools export FORMAT`, `tools test
NAME --agent AGENT` and `tools index`."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from kernel.actor import SYSTEM
from kernel.problems import Problem

from orchestration import examples, upstreams
from registry import drift
from registry.discovery import rebuild
from registry.exporting import documents
from registry.importing import mcp, planning, texts
from registry.importing.drafts import Imported, Terms
from registry.importing.planning import Plan
from registry.models import Team, Tool, UpstreamServer

SHOWN = 40


class Command(BaseCommand):
    help = "Import tools from other formats, or export them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        bring = actions.add_parser("import", help="preview with --dry-run, then apply")
        bring.add_argument("format", choices=texts.FORMATS)
        bring.add_argument(
            "source", help="a file, a folder, - for standard input; for mcp also a saved server"
        )
        bring.add_argument("--team", default="platform-team", help="who owns new tools")
        bring.add_argument("--name", default="", help="names the source among its like")
        bring.add_argument("--prefix", default="", help="begins the names of new tools")
        bring.add_argument("--url", default="", help="the base address of the API")
        bring.add_argument("--only", default="", help="what the path, tag or name begins with")
        bring.add_argument("--permission", action="append", default=[], help="new tools ask for it")
        bring.add_argument("--shared", action="store_true", help="every team sees new tools")
        bring.add_argument("--no-results", action="store_true", help="leave result schemas out")
        bring.add_argument("--dry-run", action="store_true", help="show the plan, write nothing")
        bring.add_argument("--json", action="store_true")
        give = actions.add_parser("export")
        give.add_argument("format", choices=documents.FORMATS)
        give.add_argument("--team", default="", help="this team's tools alone")
        give.add_argument("--strict", action="store_true", help="OpenAI's strict form")
        give.add_argument("--json", action="store_true", help="with what was left out, and why")

        prove = actions.add_parser("test", help="execute a tool's examples, through the pipeline")
        prove.add_argument("name", help="the tool")
        prove.add_argument("--agent", required=True, help="who calls it, and pays")
        prove.add_argument("--version", dest="number", help="another version than the agent's own")
        prove.add_argument("--json", action="store_true")
        remake = actions.add_parser("index", help="make the search index anew")
        remake.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        acts = {
            "export": self._export,
            "import": self._import,
            "test": self._test,
            "index": self._index,
        }
        try:
            acts[options["action"]](options)
        except Problem as problem:
            lines = [f"{issue.pointer or '/'}: {issue.message}" for issue in problem.errors]
            raise CommandError("\n".join([problem.detail, *lines])) from problem

    def _import(self, options: dict[str, Any]) -> None:
        terms = Terms(
            prefix=options["prefix"],
            url=options["url"],
            only=options["only"],
            permissions=tuple(options["permission"]),
            shared=options["shared"],
            results=not options["no_results"],
        )
        team, server = _team(options["team"]), _server(options)
        offered = upstreams.list_tools(server) if server else []
        imported = mcp.read(offered, server.name, terms=terms) if server else _read(options, terms)
        if options["dry_run"]:
            made = planning.plan(imported, team, terms)
        else:
            with transaction.atomic():
                made = planning.apply(imported, team, SYSTEM, terms)
                if server:
                    _approve(server, offered, imported)
        if options["json"]:
            self.stdout.write(json.dumps(made.as_json() | {"applied": not options["dry_run"]}))
        else:
            self._tell(made, applied=not options["dry_run"])

    def _tell(self, made: Plan, *, applied: bool) -> None:
        for each in (*made.of("create"), *made.of("update")):
            state = f"draft: {each.draft}" if each.draft else each.number
            self.stdout.write(f"{each.act:7} {each.name}  {state}")
            for difference in each.differences:
                where = difference.pointer
                self.stdout.write(f"        {difference.kind:10} {where}: {difference.message}")
            for secret in each.secrets:
                self.stdout.write(f"        needs the secret {secret}")
        for skipped in made.skipped[:SHOWN]:
            what = "part " if skipped.part else ""
            place = f"{skipped.place} {skipped.name}".strip()
            self.stdout.write(f"skipped {what}{place}: {skipped.reason}")
        if len(made.skipped) > SHOWN:
            self.stdout.write(f"skipped {len(made.skipped) - SHOWN} more (--json shows all)")
        for name in made.gone:
            self.stdout.write(f"gone    {name} isn't in the source any more; it stays as it is")
        counts = [f"{len(made.of(act))} {act}" for act in ("create", "update", "unchanged")]
        told = "applied" if applied else "nothing written: this is the plan"
        self.stdout.write(f"{', '.join(counts)}, {len(made.skipped)} skipped; {told}")

    def _test(self, options: dict[str, Any]) -> None:
        outcomes = examples.run(options["name"], options["agent"], version=options["number"])
        if options["json"]:
            self.stdout.write(json.dumps({"examples": [each.as_json() for each in outcomes]}))
        for each in outcomes if not options["json"] else ():
            self.stdout.write(f"{'passed' if each.passed else 'FAILED'}  {each.name}")
            if each.detail:
                self.stdout.write(f"        {each.detail}")
        failed = sum(not each.passed for each in outcomes)
        if failed or not outcomes:
            told = f"{failed} of {len(outcomes)} examples failed" if outcomes else "has no examples"
            raise CommandError(f"Tool {options['name']}: {told}.")

    def _index(self, options: dict[str, Any]) -> None:
        made = rebuild.rebuild()
        told = {"entries": made.entries, "vectors": made.embedded}
        text = f"{made.entries} tools are indexed, {made.embedded} vectors were made"
        self.stdout.write(json.dumps(told) if options["json"] else text)

    def _export(self, options: dict[str, Any]) -> None:
        rows = Tool.objects.select_related("team", "replacement", "live_version")
        rows = rows.filter(removed_at__isnull=True)
        if options["team"]:
            rows = rows.filter(team=_team(options["team"]))
        exported = documents.export(rows, options["format"], strict=options["strict"])
        if options["json"]:
            self.stdout.write(json.dumps(exported.as_json(), ensure_ascii=False))
            return
        for each in exported.left_out:
            self.stderr.write(f"{each.name} {each.place}: {each.reason}")
        if options["format"] == "yaml":
            self.stdout.write(documents.text(exported))
        else:
            self.stdout.write(json.dumps(list(exported.tools), indent=2, ensure_ascii=False))


def _team(name: str) -> Team:
    team: Team | None = Team.objects.filter(name=name).first()
    if team is None:
        known = ", ".join(Team.objects.values_list("name", flat=True)[:20])
        raise CommandError(f"There is no team {name!r}. There are: {known or 'none'}.")
    return team


def _server(options: dict[str, Any]) -> UpstreamServer | None:
    """The saved server that is meant; a file of that name comes first."""
    if options["format"] != "mcp" or Path(options["source"]).exists():
        return None
    found: UpstreamServer | None = UpstreamServer.objects.filter(name=options["source"]).first()
    return found


def _approve(server: UpstreamServer, offered: list[dict[str, Any]], imported: Imported) -> None:
    """What tools were made of is what their drift is measured against."""
    made = {draft.entry["executor_config"]["tool"] for draft in imported.drafts}
    drift.approve(server, [each for each in offered if each["name"] in made], by=SYSTEM)


def _read(options: dict[str, Any], terms: Terms) -> Imported:
    kind, source, name = options["format"], options["source"], options["name"]
    if source == "-":
        return texts.read_text(kind, sys.stdin.buffer.read(), name, terms)
    path = Path(source)
    if path.exists():
        # An OpenAPI document bears a title of its own.
        return texts.read_path(kind, path, name or ("" if kind == "openapi" else path.stem), terms)
    also = " and no saved upstream server" if kind == "mcp" else ""
    raise CommandError(f"{source} is no file or folder{also}.")
