"""What `applying.py` reads, plans and applies on one database, in a process of its own."""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django

django.setup()

import applying  # noqa: E402
from django.db import connection  # noqa: E402
from kernel.actor import SYSTEM, acting  # noqa: E402

from registry.importing import planning, texts  # noqa: E402
from registry.models import Team  # noqa: E402


def measured(tools: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"tools": tools}
    with acting(SYSTEM):
        team = Team.objects.create(name="search")
    rounds = {"create": False, "unchanged": False, "update": True}
    for name, more in rounds.items():
        raw = applying.document(tools, more=more)
        reading, imported = _timed(lambda raw=raw: texts.read_text("openapi", raw, "things"))
        before, _ = _timed(lambda read=imported: planning.plan(read, team))
        with _counted() as statements:
            seconds, made = _timed(lambda read=imported: planning.apply(read, team, SYSTEM))
        acts = {act: len(made.of(act)) for act in ("create", "update", "unchanged")}
        figures[name] = {
            "read_seconds": round(reading, 2),
            "plan_seconds": round(before, 2),
            "seconds": round(seconds, 2),
            "statements_per_tool": round(statements[0] / tools, 2),
            "acts": {act: count for act, count in acts.items() if count},
        }
        figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return figures


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


@contextmanager
def _counted() -> Iterator[list[int]]:
    count = [0]

    def counting(execute: Any, *rest: Any) -> Any:
        count[0] += 1
        return execute(*rest)

    with connection.execute_wrapper(counting):
        yield count


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))
