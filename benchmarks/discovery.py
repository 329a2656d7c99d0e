"""Searching 10,000 tools: how fast, and how well.

The tools are the real ones of `tests/data/mcp-tools`, repeated under the names of made-up systems.
Times are those of the REST door in one process (key, visibility, filters, ranking, a page of 20);
the peer is `LIKE` for each word over names and descriptions, with the same page. How well: 40
questions in plain words, asked of the real tools alone; recall@5 is the part of the right answers
(at most five) among the first five.

    python benchmarks/discovery.py [--tools 10000] [--rounds 200] [--json]
"""

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT), str(ROOT / "platform")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from many_tools import DATA, SYSTEMS, World, make_tools, make_world, read_tools, repeated  # noqa: E402

PAGE = 20
GOAL_MS = 50


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--tools", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--json", action="store_true", help="print one JSON document only")
    options.add_argument("--one", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measured(given.tools, given.rounds)))
        return
    found = {name: in_process(given, address) for name, address in databases()}
    document = {
        "name": "discovery",
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "ours": {name: each["ours"] for name, each in found.items()},
        "peers": {name: each["peers"] for name, each in found.items()},
        "ratio": {name: each["ratio"] for name, each in found.items()},
    }
    if not given.json:
        show(document)
    print(json.dumps(document))


def databases() -> Iterator[tuple[str, str]]:
    """SQLite, and PostgreSQL where this machine has it."""
    from tests import services  # noqa: PLC0415 - pytest is needed for PostgreSQL alone

    yield "sqlite", ""
    try:
        with services.postgresql() as address:
            yield "postgresql", address
    except services.Missing as missing:
        print(missing, file=sys.stderr)


def in_process(given: argparse.Namespace, address: str) -> dict[str, Any]:
    """One database, in a process and home of its own."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        environment = os.environ | {
            "GATEHOUSE_HOME": folder,
            "DATABASE_URL": address,
            "LOG_LEVEL": "ERROR",
        }
        Path(folder, "var").mkdir()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        words = ["--tools", str(given.tools), "--rounds", str(given.rounds), "--one", "it"]
        done = subprocess.run(
            [sys.executable, __file__, *words],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(document: dict[str, Any]) -> None:
    for name, ours in document["ours"].items():
        for what, figures in ours.items():
            print(f"{name:10} {what:22} {figures}", file=sys.stderr)
        for what, figures in document["peers"][name].items():
            print(f"{name:10} {what:22} {figures}", file=sys.stderr)
        print(f"{name:10} {'ratio':22} {document['ratio'][name]}", file=sys.stderr)


def measured(tools: int, rounds: int) -> dict[str, Any]:
    """Everything about one database, in this process."""
    import django  # noqa: PLC0415 - in the process of one database alone

    django.setup()
    real = read_tools()
    make_world()
    make_tools(real)
    relevance = {mode: recall(mode) for mode in ("text", "semantic", "hybrid", "naive")}
    started = time.perf_counter()
    make_tools(list(repeated(real, tools - len(real))))
    indexing = time.perf_counter() - started
    ours = {
        "index": {"tools": tools, "seconds": round(indexing, 1)},
        "model": loading(),
        **{name: timed(asked, rounds) for name, asked in doors().items()},
        "relevance": {mode: relevance[mode] for mode in ("text", "semantic", "hybrid")},
    }
    peers = {"naive": timed(naive_page, rounds), "naive_relevance": relevance["naive"]}
    return {"ours": ours, "peers": peers, "ratio": ratios(ours, peers)}


def ratios(ours: dict[str, Any], peers: dict[str, Any]) -> dict[str, Any]:
    slow = {name: each["p95_ms"] for name, each in ours.items() if "p95_ms" in each}
    return {
        "p95_to_naive": {n: round(each / peers["naive"]["p95_ms"], 2) for n, each in slow.items()},
        "p95_to_goal": {name: round(each / GOAL_MS, 2) for name, each in slow.items()},
        "recall_to_naive": round(
            ours["relevance"]["hybrid"]["recall@5"]
            / max(peers["naive_relevance"]["recall@5"], 0.001),
            2,
        ),
    }


# How fast -----------------------------------------------------------------------------------------


def questions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DATA / "tool_questions.json").read_text())
    return found


def loading() -> dict[str, float]:
    """What the first search by meaning costs a process: the model, and 10,000 vectors."""
    script = (
        "import time, django; django.setup();"
        "start = time.perf_counter(); from registry.discovery import embedding, meaning;"
        "embedding.embed(['hello']); loaded = time.perf_counter();"
        "meaning.nearest('hello'); done = time.perf_counter();"
        "print(round((loaded - start) * 1e3), round((done - loaded) * 1e3))"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
    words = [sys.executable, "-c", script]
    done = subprocess.run(
        words, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    model, vectors = done.stdout.split()[-2:]
    return {"model_ms": float(model), "vectors_ms": float(vectors)}


def doors() -> dict[str, Callable[[str], int]]:
    return {
        "text": asking(),
        "semantic": asking(semantic="only"),
        "hybrid": asking(semantic="true"),
        "filtered": asking(semantic="true", tag="write", max_cost="0.02", environment="production"),
        "misspelled": asking(spoil=True),
        "callable": asking(callable="true", unasked=True),
        "callable_hybrid": asking(semantic="true", callable="true"),
        "listed": asking(unasked=True),
    }


def asking(
    *, spoil: bool = False, unasked: bool = False, **parameters: str
) -> Callable[[str], int]:
    from rest_framework.test import APIClient  # noqa: PLC0415

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {World.key}")

    def ask(text: str) -> int:
        asked = parameters | {"page_size": str(PAGE)} | ({} if unasked else {"q": text})
        if spoil:
            word = max(text.split(), key=len)
            asked["q"] = word[:2] + word[3:]
        answer = client.get("/api/v1/tools/", asked)
        assert answer.status_code == 200, answer.content
        return len(answer.json()["results"])

    return ask


def naive_rows(text: str) -> Any:
    from django.db.models import Q  # noqa: PLC0415

    from registry.models import Tool  # noqa: PLC0415

    rows = Tool.objects.visible_to(World.actor).filter(live_version__isnull=False)
    for word in text.split():
        rows = rows.filter(Q(name__icontains=word) | Q(description__icontains=word))
    return rows.select_related("live_version", "team", "replacement").order_by("name")


def naive_page(text: str) -> int:
    from registry import rendering  # noqa: PLC0415

    rows = [rendering.listed(row) for row in naive_rows(text)[:PAGE]]
    return len(json.dumps(rows))


def timed(ask: Callable[[str], int], rounds: int) -> dict[str, float]:
    """Milliseconds of so many different questions; the first few aren't counted."""
    texts = [each["q"] for each in questions()]
    # What making the tools left behind isn't what a server holds.
    gc.collect()
    gc.freeze()
    for text in texts[:5]:
        ask(text)
    taken, computed = [], []
    for number in range(rounds):
        # Each question is asked with another word each time, so that none is remembered.
        text = f"{texts[number % len(texts)]} {SYSTEMS[number // len(texts) % len(SYSTEMS)]}"
        start, worked = time.perf_counter(), time.process_time()
        ask(text)
        taken.append((time.perf_counter() - start) * 1e3)
        computed.append((time.process_time() - worked) * 1e3)
    cut = statistics.quantiles(taken, n=100)
    return {
        # What this process computed: without what others on the machine, and PostgreSQL, took.
        "cpu_p95_ms": round(statistics.quantiles(computed, n=100)[94], 1),
        "p50_ms": round(statistics.median(taken), 1),
        "p95_ms": round(cut[94], 1),
        "p99_ms": round(cut[98], 1),
    }


# How well -----------------------------------------------------------------------------------------


def recall(mode: str) -> dict[str, float]:
    """recall@5, and the mean reciprocal rank of the first right answer among the first ten."""
    parts, ranks = [], []
    for each in questions():
        answers = set(each["answers"])
        names = found(each["q"], mode)
        right = len(answers & set(names[:5]))
        parts.append(right / min(5, len(answers)))
        first = next((rank for rank, name in enumerate(names[:10], 1) if name in answers), 0)
        ranks.append(1 / first if first else 0.0)
    return {
        "questions": len(parts),
        "recall@5": round(statistics.mean(parts), 3),
        "mrr@10": round(statistics.mean(ranks), 3),
    }


def found(text: str, mode: str) -> list[str]:
    from registry import discovery  # noqa: PLC0415
    from registry.models import Tool  # noqa: PLC0415

    if mode == "naive":
        return [row.name for row in naive_rows(text)[:10]]
    hits = discovery.search(discovery.listed(World.actor), text, mode).hits[:10]  # type: ignore[arg-type]
    ids = [hit.entry_id for hit in hits]
    names = dict(Tool.objects.filter(entry__id__in=ids).values_list("entry__id", "name"))
    return [names[each] for each in ids]


if __name__ == "__main__":
    main()
