"""Bring a git repository in as a project, and bring a run's branch back out."""

import json
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from kernel import actor as actors
from kernel.problems import Problem

from orchestration import repositories
from orchestration.models import WorkflowRun
from portal.demo import sample
from portal.demo.first import import_project
from registry.models import Team, User


class Command(BaseCommand):
    help = "project import [PATH] --name NAME --team TEAM | project fetch PATH --run RUN"

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        bring_in = acts.add_parser("import", help="a new project from a repository's HEAD commit")
        bring_in.add_argument("path", type=Path, nargs="?", help="left out: the bundled sample")
        bring_in.add_argument("--name", required=True)
        bring_in.add_argument("--team", required=True)
        bring_in.add_argument("--by", help="the person who does it; left out: the platform")
        bring_in.add_argument("--json", action="store_true")
        bring_out = acts.add_parser("fetch", help="a run's branch into the original repository")
        bring_out.add_argument("path", type=Path)
        bring_out.add_argument("--run", type=UUID, required=True)
        bring_out.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = _bring_in(options) if options["act"] == "import" else _bring_out(options)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        text = json.dumps(result) if options["json"] else "\n".join(map(str, result.values()))
        self.stdout.write(text)


def _bring_in(options: dict[str, Any]) -> dict[str, Any]:
    team = Team.objects.filter(name=options["team"]).first()
    if team is None:
        raise CommandError(f"There is no team {options['team']!r}.")
    by = _actor(options["by"])
    with actors.acting(by), tempfile.TemporaryDirectory() as folder:
        source = options["path"] or sample.make_repository(Path(folder) / "authservice")
        project = import_project(options["name"], source, team=team, by=by)
    return {"project": project.name, "rev": project.rev}


def _actor(name: str | None) -> actors.Actor:
    if not name:
        return actors.SYSTEM
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is nobody named {name!r}.")
    found: actors.Actor = user.actor
    return found


def _bring_out(options: dict[str, Any]) -> dict[str, Any]:
    run = WorkflowRun.objects.select_related("project").filter(id=options["run"]).first()
    if run is None or run.project is None:
        raise CommandError(f"There is no run {options['run']} with a project.")
    branch = f"gatehouse/{run.id}"
    repositories.fetch_branch(
        repositories.folder() / run.project.repository, options["path"], branch
    )
    return {"repository": str(options["path"]), "branch": branch}
