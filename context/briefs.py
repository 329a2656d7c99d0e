"""Briefs: what an agent needs to know about a project, within a budget of tokens.

The order is fixed and so is the answer for a rev: the project's standing, what the reader knows in
an older version, what changed since it last looked, what was decided (newest first), how the files
changed, what else is open. Who never looked gets the list of files. What doesn't fit is dropped as
a whole entry and counted, never cut silently.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from context import decisions, diffs, files, projects, reads
from context.models import Project

# Three bytes a token: code and JSON need more tokens a byte than prose (about four), and a brief
# may be shorter than its budget, never longer.
BYTES_PER_TOKEN = 3
LEAST_TOKENS = 1_000
FRAME_TOKENS = 300
DIFF_FILES = 200
TELLING = frozenset({"accepted", "implemented"})


@dataclass
class Budget:
    """What is left of the tokens, what was taken, and what had to go by source."""

    left: int
    items: list[dict[str, Any]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_tokens: Counter[str] = field(default_factory=Counter)

    def offer(self, source: str, item: dict[str, Any]) -> bool:
        entry = {"source": source, **item}
        cost = tokens(entry)
        if cost > self.left:
            self.dropped[source] += 1
            self.dropped_tokens[source] += cost
            return False
        self.left -= cost
        self.items.append(entry)
        return True


def tokens(value: Any) -> int:
    """An upper estimate of what the value's JSON costs a model to read."""
    size = len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")) + 2
    return -(-size // BYTES_PER_TOKEN)


def write(
    project: Project, *, reader_id: UUID | None, budget_tokens: int, since_rev: int | None = None
) -> dict[str, Any]:
    """`{project, rev, since_rev, status, next_step, items, dropped, tokens, budget_tokens}`.

    Without `since_rev` it tells what changed since the reader's last read. Raises Invalid for a rev
    that doesn't exist.
    """
    rev = files.current_rev(project.id)
    since = reads.last_rev(project.id, reader_id) if since_rev is None else since_rev
    files.current_rev(project.id, since)
    status, next_step = projects.moment(project, rev)
    head = {
        "project": project.name,
        "rev": rev,
        "since_rev": since,
        "status": status,
        "next_step": next_step,
    }
    budget = Budget(budget_tokens - FRAME_TOKENS - tokens(head))
    known = reads.stale(reader_id, project_id=project.id) if reader_id and since_rev is None else []
    for source, item in _items(project, since, rev, known):
        budget.offer(source, item)
    return head | {
        "items": budget.items,
        "dropped": _dropped(budget),
        "tokens": budget_tokens - budget.left,
        "budget_tokens": budget_tokens,
    }


def _dropped(budget: Budget) -> list[dict[str, Any]]:
    return [
        {
            "source": source,
            "count": count,
            "tokens": budget.dropped_tokens[source],
            "reason": "over budget_tokens",
        }
        for source, count in sorted(budget.dropped.items())
    ]


def _items(
    project: Project, since: int, rev: int, known: Sequence[reads.Stale]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries by worth."""
    for each in known:
        yield "stale", {"path": each.path, "was": each.read_version, "version": each.now_version}
    changed = diffs.changes(project.id, since, rev) if since else []
    for path, old, new in changed:
        yield "changed", {"path": path, **_sides(old, new)}
    rows = list(reversed(decisions.at(project.id, rev)))
    yield from _decided(row for row in rows if row.status in TELLING)
    for path, _, _ in changed[:DIFF_FILES]:
        for found in diffs.between(project.id, since, rev, paths=[path]):
            yield "diff", {"path": path, "unified": found.unified}
    yield from _decided(row for row in rows if row.status not in TELLING)
    for entry in files.listing(project.id, at_rev=rev) if not since else []:
        yield "file", projects.file_as_json(entry)


def _sides(old: diffs.Side, new: diffs.Side) -> dict[str, Any]:
    return {"was": old.version, "version": new.version, "by": new.modified_by or None}


def _decided(rows: Iterable[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in rows:
        shown = projects.decision_as_json(row)
        names = ("timestamp", "agent", "decision", "status", "rationale")
        yield "decision", {name: shown[name] for name in names if shown[name]}
