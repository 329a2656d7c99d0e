"""What `discovery.py` asks of one database, in a process of its own."""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from apart import ROOT  # noqa: E402
from django.db.models import Q  # noqa: E402
from many_tools import DATA, SYSTEMS, World, make_tools, make_world, read_tools, repeated  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

from registry import discovery, rendering  # noqa: E402
from registry.models import Tool  # noqa: E402

PAGE = 20
GOAL_MS = 50


def measured(tools: int, rounds: int) -> dict[str, Any]:
    """Everything about one database, in this process."""
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
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
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
    rows = Tool.objects.visible_to(World.actor).filter(live_version__isnull=False)
    for word in text.split():
        rows = rows.filter(Q(name__icontains=word) | Q(description__icontains=word))
    return rows.select_related("live_version", "team", "replacement").order_by("name")


def naive_page(text: str) -> int:
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
    if mode == "naive":
        return [row.name for row in naive_rows(text)[:10]]
    hits = discovery.search(discovery.listed(World.actor), text, mode).hits[:10]  # type: ignore[arg-type]
    ids = [hit.entry_id for hit in hits]
    names = dict(Tool.objects.filter(entry__id__in=ids).values_list("entry__id", "name"))
    return [names[each] for each in ids]


if __name__ == "__main__":
    print(json.dumps(measured(*map(int, sys.argv[1:]))))
