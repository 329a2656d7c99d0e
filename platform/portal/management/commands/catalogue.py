"""`manage.py catalogue plan|apply|export DIR`."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import catalogue


class Command(BaseCommand):
    help = "Read or write the definitions as a folder of YAML."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("plan", "apply", "export"))
        parser.add_argument("folder", type=Path)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        try:
            if options["action"] == "export":
                self._tell_files(catalogue.export(folder), as_json=options["json"])
                return
            if options["action"] == "plan":
                self._tell_plan(catalogue.preview(folder), as_json=options["json"])
                return
            changes = catalogue.load(folder)
        except catalogue.CatalogueFault as fault:
            raise CommandError(str(fault)) from fault
        if options["json"]:
            self.stdout.write(json.dumps({"changes": [asdict(change) for change in changes]}))
            return
        self._tell([catalogue.Preview(change) for change in changes])

    def _tell_plan(self, previews: list[catalogue.Preview], *, as_json: bool) -> None:
        if as_json:
            told = [asdict(each.change) | {"diff": list(each.diff)} for each in previews]
            self.stdout.write(json.dumps({"changes": told}))
            return
        self._tell(previews)

    def _tell(self, previews: list[catalogue.Preview]) -> None:
        changed = [each for each in previews if each.change.act != "unchanged"]
        for each in changed:
            change = each.change
            self.stdout.write(f"{change.act:9} {change.kind} {change.name}  {change.detail}")
            for line in each.diff[2:]:
                self.stdout.write(f"    {line}")
        same = len(previews) - len(changed)
        self.stdout.write(f"{len(changed)} changed, {same} as they were")

    def _tell_files(self, files: list[Path], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"files": [str(file) for file in files]}))
            return
        self.stdout.write(f"{len(files)} entries written")
