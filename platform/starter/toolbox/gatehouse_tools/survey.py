"""What can be moved in a repository, what the repository is made of, what its tests need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from gatehouse_tools import protocol
from gatehouse_tools.candidates import Candidate, Repository, Search, find_candidates
from gatehouse_tools.layout import Metadata, find_distribution, find_layout
from gatehouse_tools.needs import find_needs
from gatehouse_tools.protocol import Answer, Refusal
from gatehouse_tools.tree import materialise

MAX_NOTES = 40


def answer(request: Mapping[str, Any]) -> Answer:
    """{module?, group?, exclude?, overlay?} to the survey; at most 20 candidates, best first."""
    root = materialise(request)
    metadata = Metadata(root)
    layout = find_layout(root, metadata)
    distribution = find_distribution(root, metadata, layout)
    needs = find_needs(root, metadata, distribution.name)
    repository = Repository(root, layout, metadata)
    search, chosen = _chosen(repository, request)
    return {
        "layout": {"roots": list(layout.roots), "packages": list(layout.packages)},
        "distribution": {"name": distribution.name, "version": distribution.version},
        "requirements": needs.joined(),
        "requirements_from": needs.sources[:MAX_NOTES],
        "candidates": [candidate.as_json() for candidate in chosen],
        "nothing": None if chosen else _nothing(repository, search, request),
        "files": {"python": len(repository.paths), "read": len(repository.sources)},
        "notes": needs.notes[:MAX_NOTES],
    }


def _chosen(
    repository: Repository, request: Mapping[str, Any]
) -> tuple[Search, tuple[Candidate, ...]]:
    """The candidates the request leaves, and the search they come from."""
    module, group = protocol.text(request, "module"), protocol.text(request, "group")
    grounds = list(repository.grounds())
    if module:
        named = [path for path in grounds if _is_module(repository, path, module)]
        if not named:
            there = ", ".join(grounds[:40]) or "none"
            raise Refusal("unknown_module", f"No module {module}. Modules are: {there}.")
        grounds = named
    search = find_candidates(repository, grounds)
    found = search.candidates
    if group:
        there = ", ".join(f"{c.group} ({c.module})" for c in found) or "none"
        found = tuple(c for c in found if group in (c.group, f"{c.module}:{c.group}"))
        if not found:
            raise Refusal("unknown_group", f"No group {group}. Groups are: {there}.")
    excluded = set(protocol.strings(request, "exclude"))
    kept = tuple(c for c in found if not _is_excluded(repository, c, excluded))
    return search, kept


def _is_module(repository: Repository, path: str, name: str) -> bool:
    """A module is named by its path, its dotted name, its file or its stem."""
    pure = PurePosixPath(path)
    dotted = repository.layout.module_name(path)
    return name in (path, dotted, pure.name, pure.stem) or path.endswith(f"/{name}")


def _is_excluded(repository: Repository, candidate: Candidate, excluded: set[str]) -> bool:
    labels = {candidate.group, f"{candidate.module}:{candidate.group}", candidate.target}
    if labels & excluded:
        return True
    return any(_is_module(repository, candidate.module, name) for name in excluded)


def _nothing(repository: Repository, search: Search, request: Mapping[str, Any]) -> str:
    if not repository.paths:
        return "The repository has no Python files."
    if search.candidates:
        names = ", ".join(protocol.strings(request, "exclude"))
        return f"All {len(search.candidates)} candidates are excluded ({names})."
    passed = sorted(search.passed_over.items())
    reasons = [f"{count} x {reason}" for reason, count in passed if count]
    if not reasons:
        return "No package was found whose modules could be taken apart."
    return f"No module has a group worth a module of its own: {', '.join(reasons)}."
