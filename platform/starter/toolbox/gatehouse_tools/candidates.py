"""Groups that could have a module of their own, ranked.

Score, 0 to 100: 35 cohesion (how sure the theme is, times the share of the moved definitions
that were in the group to begin with) + 20 independence (one over one plus the moved names that
the rest uses, per moved definition) + 20 balance (best where 35% of the module's lines move) +
25 size (full from 80 lines moved out of 200 on). Times 0.8 for an ``__init__.py``, times 0.7
where tests or others patch names that both sides use, times 0.9 per star import.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from keyword import iskeyword
from pathlib import Path, PurePosixPath
from typing import Any

from gatehouse_tools.groups import COMMON_WORDS, DOING, Group, as_topic, find_groups, plural, words
from gatehouse_tools.layout import LOOSE, Layout, Metadata, is_test
from gatehouse_tools.module import BUILTINS, Module, import_aliases, read_module
from gatehouse_tools.plan import Plan, plan_move
from gatehouse_tools.protocol import Refusal
from gatehouse_tools.tree import Source, python_files, read_source

MAX_CANDIDATES = 20
PER_MODULE = 4
SMALLEST_MODULE = 40
NO_GROUND = frozenset(
    "migrations vendor _vendor vendored extern docs doc examples example benchmarks bench scripts"
    " build dist fixtures locale locales data".split()
)


@dataclass(frozen=True)
class Candidate:
    module: str
    group: str
    names: tuple[str, ...]
    along: tuple[str, ...]
    target: str
    reason: str
    score: float

    def as_json(self) -> dict[str, Any]:
        return {
            "module": self.module,
            "group": self.group,
            "names": list(self.names),
            "along": list(self.along),
            "target": self.target,
            "reason": self.reason,
            "score": self.score,
        }


@dataclass(frozen=True)
class Repository:
    """A copy of the tree, read once."""

    root: Path
    layout: Layout
    metadata: Metadata

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(python_files(self.root))

    @cached_property
    def sources(self) -> dict[str, Source]:
        read = ((path, read_source(self.root, path)) for path in self.paths)
        return {path: source for path, source in read if source is not None}

    @cached_property
    def patched(self) -> Counter[str]:
        """Dotted names in string literals of the repository: ``pkg.mod.name``."""
        literal = re.compile(r"""["']([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)["']""")
        found: Counter[str] = Counter()
        for source in self.sources.values():
            found.update(literal.findall(source.text))
        return found

    def grounds(self) -> Iterator[str]:
        """Paths of modules that may be taken apart."""
        for path in self.paths:
            pure = PurePosixPath(path)
            name = self.layout.module_name(path)
            if name is None or path.endswith(".pyi") or is_test(path) or pure.stem in LOOSE:
                continue
            inside_root = any(
                root == "." or pure.is_relative_to(root) for root in self.layout.roots
            )
            known = name.split(".")[0] in self.layout.packages
            if inside_root and known and not NO_GROUND.intersection(pure.parts[:-1]):
                yield path

    @cached_property
    def is_packaged(self) -> bool:
        files = ("setup.py", "setup.cfg")
        packaged = any((self.root / file).is_file() for file in files)
        return packaged or bool(self.metadata.table("build-system"))


@dataclass(frozen=True)
class Search:
    """Candidates, best first; why modules were passed over, by reason."""

    candidates: tuple[Candidate, ...]
    passed_over: Mapping[str, int]


def find_candidates(repository: Repository, paths: Iterable[str]) -> Search:
    found: list[Candidate] = []
    reasons: Counter[str] = Counter()
    for path in paths:
        module, reason = _readable(repository, path)
        if module is None:
            reasons[reason] += 1
            continue
        own = _of_module(repository, module, reasons)
        reasons["no cohesive group"] += not own
        found += own
    found.sort(key=lambda c: (-c.score, c.module, c.group))
    return Search(tuple(found[:MAX_CANDIDATES]), dict(reasons))


def _readable(repository: Repository, path: str) -> tuple[Module | None, str]:
    source = repository.sources.get(path)
    if source is None:
        return None, "too big or not UTF-8"
    module = read_module(source)
    if module is None:
        return None, "this Python can't parse it"
    if "/" not in path.removeprefix("src/") and repository.is_packaged:
        return None, "a single module outside a package, which the packaging lists by name"
    if f"{path}i" in repository.paths:
        return None, "its types stand in a stub beside it"
    if len(module.definitions) < 3 or len(source.lines) < SMALLEST_MODULE:
        return None, "fewer than three definitions"
    return module, ""


def _of_module(repository: Repository, module: Module, reasons: Counter[str]) -> list[Candidate]:
    taken = set(repository.paths)
    found: list[tuple[Candidate, frozenset[str]]] = []
    ranked = []
    for group in find_groups(module, repository.layout.packages):
        try:
            plan = plan_move(module, group.names)
        except Refusal as refusal:
            reasons[refusal.reason] += 1
            continue
        score = _score(repository, plan, group)
        if score is not None:
            ranked.append((score, group, plan))
    for score, group, plan in sorted(ranked, key=lambda r: (-r[0], r[1].label, r[1].names)):
        moved = frozenset(plan.definitions)
        if any(len(moved & other) > 0.6 * len(moved | other) for _, other in found):
            continue
        if any(candidate.group == group.label for candidate, _ in found):
            continue
        target = _target(repository, module, group, plan, taken)
        along = tuple(n for n in plan.names if n not in group.names)
        candidate = Candidate(
            module.source.path, group.label, group.names, along, target, group.reason, score
        )
        found.append((candidate, moved))
    return [candidate for candidate, _ in found[:PER_MODULE]]


def _score(repository: Repository, plan: Plan, group: Group) -> float | None:
    """The documented score; None for what isn't worth a module."""
    definitions = plan.module.definitions
    lines = sum(s.end - s.start + 1 for s in plan.moved)
    total = sum(s.end - s.start + 1 for s in plan.module.statements if not s.is_import)
    share = lines / max(total, 1)
    if lines < 12 or not 0.04 <= share <= 0.75 or len(plan.definitions) >= len(definitions):
        return None
    if all(name.startswith("_") for name in plan.definitions) and len(plan.definitions) < 3:
        return None
    dragged = len(set(plan.definitions) - set(group.names))
    cohesion = group.theme * len(group.names) / (len(group.names) + 1.5 * dragged)
    crossing = len(plan.used_by_staying.intersection(plan.names))
    independence = 1 / (1 + crossing / len(plan.definitions))
    balance = 1 - abs(share - 0.35) / 0.65
    size = min(1, lines / 80) * min(1, total / 200)
    score = 35 * cohesion + 20 * independence + 20 * balance + 25 * size
    score *= 0.8 if plan.module.source.path.endswith("__init__.py") else 1
    score *= 0.7 if _patched_on_both_sides(repository, plan) else 1
    return round(score * 0.9 ** len(plan.stars), 1)


def _patched_on_both_sides(repository: Repository, plan: Plan) -> bool:
    name = repository.layout.module_name(plan.module.source.path)
    both = plan.uses & plan.used_by_staying
    return any(f"{name}.{used}" in repository.patched for used in both)


def _target(
    repository: Repository, module: Module, group: Group, plan: Plan, taken: set[str]
) -> str:
    """A new module beside the old one; never a name that exists or that it imports."""
    folder = PurePosixPath(module.source.path).parent
    stem = PurePosixPath(module.source.path).stem
    imported = {
        part
        for s in module.statements
        if s.is_import
        for name, alias in import_aliases(s.node)  # type: ignore[arg-type]
        for part in (name, alias.name.split(".")[0])
    }
    forbidden = imported | set(plan.module.binders) | set(sys.stdlib_module_names) | BUILTINS
    private = "_" if stem.startswith("_") and stem != "__init__" else ""
    base = "" if stem == "__init__" else stem.strip("_") + "_"
    subject = _subject(group, set(words(stem)))
    if subject is None:
        topic = as_topic(group.label)
        options = [topic, f"{base}{topic}"] if "_" in topic else [f"{base}{topic}"]
        subject = f"{topic}_support"
    else:
        options = [plural(subject), f"{base}{plural(subject)}", f"{base}{group.label}"]
    options += [f"{base}{plural(subject)}_{number}" for number in range(2, 50)]
    for option in options:
        clean = private + re.sub(r"\W+", "_", option).strip("_").lower()
        path = (folder / f"{clean}.py").as_posix()
        package = (folder / clean / "__init__.py").as_posix()
        free = path not in taken and package not in taken and not (repository.root / path).exists()
        if (
            free
            and clean.isidentifier()
            and clean not in forbidden
            and not iskeyword(clean)
            and not is_test(path)
        ):
            return path
    return (folder / f"{base}moved.py").as_posix()


def _subject(group: Group, taken: set[str]) -> str | None:
    """The word that most of the group's names share; None where there's none."""
    counted = Counter(w for n in group.names for w in set(words(n)) - COMMON_WORDS - taken)
    ranked = sorted(
        counted.items(), key=lambda i: (-i[1], i[0] in DOING, i[0] != group.label, i[0])
    )
    if ranked and (ranked[0][1] * 2 >= len(group.names) or ranked[0][1] >= 3):
        return ranked[0][0]
    return None
