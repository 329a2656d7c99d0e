"""`manage.py workflow validate|run FILE`."""

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from kernel import outbox
from kernel.actor import SYSTEM, Actor
from kernel.problems import Problem

from context.models import Project
from orchestration import runs, tasks, workflows
from orchestration.models import RunEvent, WorkflowRun
from orchestration.models.runs import RUN_ENDED, RunStatus
from orchestration.runs import rendering
from registry.models import User

PAUSE_SECONDS = 0.25


class Command(BaseCommand):
    help = "Check a workflow's definition, or publish and run it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("validate", "run"))
        parser.add_argument("file", type=Path)
        parser.add_argument("--input", default="{}", help="The run's input, as JSON.")
        parser.add_argument("--project", help="The project that the run works on.")
        parser.add_argument("--user", help="Who starts the run; the platform when empty.")
        parser.add_argument("--team", help="Who owns the workflow, where the file doesn't say.")
        parser.add_argument("--step-by-step", action="store_true")
        parser.add_argument("--timeout", type=float, default=3600, help="Seconds to follow it.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            source = options["file"].read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} can't be read: {error}") from error
        act = self._validate if options["action"] == "validate" else self._run
        try:
            act(source, options)
        except Problem as problem:
            self._refuse(problem, options)

    def _refuse(self, problem: Problem, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(problem.as_json()))
        places = [f"  {issue.pointer or '/'}: {issue.message}" for issue in problem.errors]
        self.stderr.write("\n".join([f"{options['file']}: {problem.detail}", *places]))
        sys.exit(1)

    def _validate(self, source: str, options: dict[str, Any]) -> None:
        definition = workflows.validate(source, by=SYSTEM)
        told = {
            "name": definition.name,
            "version": definition.version,
            "steps": [{"name": node.name, "kind": node.kind} for node in definition.steps],
        }
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            names = " → ".join(node.name for node in definition.steps)
            self.stdout.write(f"{definition.name} {definition.version} is fine: {names}")

    def _run(self, source: str, options: dict[str, Any]) -> None:
        by = _actor(options["user"])
        version = workflows.install(source, by=by, team=options["team"])
        run = runs.start(
            version.workflow,
            input=_input(options["input"]),
            project=_project(options["project"]),
            by=by,
            version=version.version,
            step_by_step=options["step_by_step"],
        )
        self._follow(run, options["timeout"])
        told = rendering.render(WorkflowRun.objects.get(id=run.id))
        if options["json"]:
            self.stdout.write(json.dumps(told, default=str))
        else:
            self.stdout.write(f"{run.id}: {told['status']} {told['reason']}".rstrip())
        if told["status"] in (RunStatus.FAILED, RunStatus.CANCELLED):
            sys.exit(1)

    def _follow(self, run: WorkflowRun, seconds: float) -> None:
        """Deliver and recover here too, so that the run moves also where no worker runs, until it
        ends or waits for people."""
        seen, deadline = 0, time.monotonic() + seconds
        while time.monotonic() < deadline:
            outbox.drain()
            tasks.recover()
            runs.recover()
            for event in RunEvent.objects.filter(run=run, seq__gt=seen).order_by("seq"):
                seen = event.seq
                self.stderr.write(f"{event.seq:4} {event.name} {event.step}".rstrip())
            run.refresh_from_db(fields=["status"])
            if run.status in (*RUN_ENDED, RunStatus.WAITING, RunStatus.PAUSED):
                return
            time.sleep(PAUSE_SECONDS)


def _actor(name: str | None) -> Actor:
    if name is None:
        return SYSTEM
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no person {name!r}.")
    found: Actor = user.actor
    return found


def _input(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--input isn't JSON: {error}") from error
    if not isinstance(value, dict):
        raise CommandError("--input must be a JSON object.")
    return value


def _project(name: str | None) -> Project | None:
    if name is None:
        return None
    found: Project | None = Project.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no project {name!r}.")
    return found
