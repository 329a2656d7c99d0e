"""Moves a group of definitions to a module of its own and mends what refers to it.

1. plan      what has to move along, so that the new module never needs the old one
2. draft     rope moves every name on a scratch copy and finds who refers to it
3. set       the move is set on the original text, so that what stays keeps its bytes, and the
             old module offers the moved names as before; rope's version of a file is taken where
             it changed references alone, otherwise imports and patched names are mended here
4. prove     every changed file compiles; both modules are imported, each in a fresh process
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gatehouse_tools import environment, mend, protocol, ropemove, surgery
from gatehouse_tools.candidates import Repository
from gatehouse_tools.layout import Metadata, find_layout, is_test
from gatehouse_tools.module import Module, read_module
from gatehouse_tools.plan import Plan, plan_move
from gatehouse_tools.protocol import Answer, Refusal
from gatehouse_tools.surgery import Names, Style
from gatehouse_tools.tree import apply, materialise, valid_path

IMPORT_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    repository: Repository
    plan: Plan
    target: str
    names: Names
    style: Style


def answer(request: Mapping[str, Any]) -> Answer:
    """{module, names, target, overlay?} to {files, summary, moved, notes}."""
    path = valid_path(protocol.required_text(request, "module"))
    target = valid_path(protocol.required_text(request, "target"))
    root = materialise(request)
    metadata = Metadata(root)
    repository = Repository(root, find_layout(root, metadata), metadata)
    job = _job(repository, path, target, protocol.strings(request, "names"))
    drafted = ropemove.draft(root, repository.layout.roots, job.plan, target)
    files, notes = _files(job, drafted)
    _prove(root, job, files, notes)
    return {
        "files": files,
        "summary": _summary(job, files),
        "moved": list(job.plan.names),
        "notes": notes,
    }


def _job(repository: Repository, path: str, target: str, asked: list[str]) -> Job:
    module = _module(repository, path)
    if (repository.root / target).exists():
        raise Refusal("target_exists", f"{target} exists: name a path that doesn't.")
    if PurePosixPath(target).parent != PurePosixPath(path).parent or not target.endswith(".py"):
        raise Refusal("invalid_path", f"{target} must be a .py file in the folder of {path}.")
    old, new = (repository.layout.module_name(p) for p in (path, target))
    if old is None or new is None:
        raise Refusal("invalid_path", f"{target} has no importable name.")
    if not asked:
        raise Refusal("invalid_request", "`names` must list at least one definition.")
    names = Names(old, new)
    style = Style(_width(repository.metadata), _is_relative(repository, path, old))
    return Job(repository, plan_move(module, asked), target, names, style)


def _module(repository: Repository, path: str) -> Module:
    source = repository.sources.get(path)
    module = read_module(source) if source else None
    if module is None:
        raise Refusal("unknown_module", f"{path} is no Python module that can be read here.")
    return module


def _width(metadata: Metadata) -> int:
    """The repository's own line length, else 88."""
    for keys in (("tool", "ruff"), ("tool", "black"), ("tool", "isort")):
        table = metadata.table(*keys)
        for key in ("line-length", "line_length"):
            if isinstance(table.get(key), int) and 60 <= table[key] <= 200:
                return int(table[key])
    return 88


def _is_relative(repository: Repository, path: str, name: str) -> bool:
    """Whether the module, else its package, imports its neighbours relatively."""
    if "." not in name and not path.endswith("__init__.py"):
        return False
    top = re.escape(name.split(".")[0])
    folder = PurePosixPath(path).parent
    own = repository.sources[path].text
    if re.search(r"^if __name__ == ", own, re.M):
        return False  # Run as a script, the file has no package to be relative to.
    near = "\n".join(
        s.text for p, s in repository.sources.items() if PurePosixPath(p).parent == folder
    )
    for text in (own, near):
        relative = len(re.findall(r"^from \.", text, re.M))
        absolute = len(re.findall(rf"^(?:from|import) {top}\b", text, re.M))
        if relative != absolute:
            return relative > absolute
    return True


def _files(job: Job, drafted: ropemove.Draft) -> tuple[dict[str, str | None], list[str]]:
    repository, plan, names = job.repository, job.plan, job.names
    path = plan.module.source.path
    texts = {p: source.text for p, source in repository.sources.items()}
    changed, notes = _mended_others(job, drafted, texts)
    skip = frozenset({path, job.target})
    outside = mend.outside_references({**texts, **changed}, skip, repository.layout, names.old)
    offered = [
        name
        for name in plan.names
        if not name.startswith("_") or name in plan.used_by_staying or name in outside
    ]
    dropped = _dropped(plan, outside)
    files: dict[str, str | None] = {
        path: surgery.old_module(plan, names, job.style, offered=offered, dropped=dropped),
        job.target: surgery.new_module(plan, names, job.style),
    }
    if drafted.complaint:
        done = f"{len(drafted.moved)} of {len(plan.names)} names"
        notes.append(f"rope moved {done} and then {drafted.complaint}: the rest was set by hand")
    notes += _notes(job, drafted, offered, dropped)
    files |= dict(sorted(changed.items()))
    return files, notes


def _mended_others(
    job: Job, drafted: ropemove.Draft, texts: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Every other file that refers to what moved, and what was done to it."""
    plan, names = job.plan, job.names
    move = _move(job, texts)
    may_follow = _may_follow(job, move, texts)
    changed: dict[str, str] = {}
    notes: list[str] = []
    for path, source in sorted(job.repository.sources.items()):
        if path == plan.module.source.path:
            continue
        mended = mend.mend(source, move, job.repository.layout, job.style)
        if mended is not None:
            changed[path] = mended.text
            what = [f"{mended.imports} imports"] * bool(mended.imports)
            what += [f"{mended.patches} patched names"] * bool(mended.patches)
            notes.append(f"{path}: {' and '.join(what)} now name {names.new}")
        elif path in drafted.files and may_follow:
            after = drafted.files[path]
            if ropemove.is_clean(source.text, after, names, move.moved):
                changed[path] = after
                notes.append(f"{path}: references rewritten by rope")
    return changed, notes


def _may_follow(job: Job, move: mend.Move, texts: Mapping[str, str]) -> bool:
    """References through the old module stay where a test replaces the name there."""
    stem = re.escape(job.names.old.rsplit(".", 1)[-1])
    moved = "|".join(sorted(map(re.escape, move.moved)))
    replaced = re.compile(rf"\b{stem}\s*,\s*[\"'](?:{moved})\b|[\"'][\w.]*\b{stem}\.(?:{moved})\b")
    return not any(replaced.search(text) for text in texts.values())


def _move(job: Job, texts: Mapping[str, str]) -> mend.Move:
    """A patch follows a name where only moved code looks it up."""
    plan = job.plan
    stem = re.escape(job.names.old.rsplit(".", 1)[-1])
    code = "\n".join(t for p, t in texts.items() if not is_test(p) and p != plan.module.source.path)
    reached = set(re.findall(rf"\b{stem}\.([A-Za-z_]\w*)", code))
    used = plan.uses - plan.used_by_staying
    retargeted = {n for n in used if n not in plan.names or n not in reached}
    known = retargeted & (plan.module.binders.keys() | {"open", "input", "print"})
    return mend.Move(job.names, frozenset(plan.names), frozenset(known))


def _dropped(plan: Plan, outside: frozenset[str]) -> frozenset[str]:
    """Imports of the old module that only the moved code used and nobody else takes from it."""
    lines = plan.module.source.lines
    bound: set[str] = set()
    for statement in plan.module.statements:
        text = "".join(lines[statement.start - 1 : statement.end])
        if statement.is_import and "noqa" not in text and "__future__" not in text:
            bound |= statement.binds
    return frozenset((bound & plan.uses) - plan.used_by_staying - outside)


def _notes(
    job: Job, drafted: ropemove.Draft, offered: list[str], dropped: frozenset[str]
) -> list[str]:
    plan, names = job.plan, job.names
    notes = []
    along = [name for name in plan.names if name not in plan.asked]
    if along:
        notes.append(f"moved along, because the group needs them: {', '.join(along)}")
    if offered:
        notes.append(f"{names.old} still offers {', '.join(offered)}")
    if dropped:
        notes.append(
            f"{plan.module.source.path}: imports no longer used went: {', '.join(sorted(dropped))}"
        )
    draft = drafted.files.get(job.target, "")
    pattern = rf"^\s*(?:from|import)\b.*\b{re.escape(names.old.rsplit('.', 1)[-1])}\b"
    if re.search(pattern, draft, re.M):
        notes.append("rope would have left an import cycle between the two modules: mended")
    return notes


def _prove(root: Path, job: Job, files: dict[str, str | None], notes: list[str]) -> None:
    """Compile what changed, import both modules; raise Refusal where that fails."""
    for path, text in files.items():
        try:
            compile((text or "").removeprefix("\ufeff"), path, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise Refusal("not_movable", f"{path} would not compile: {error}.") from None
    ground = environment.prepare(root)
    before = _import(ground, job.names.old)
    apply(root, files)
    if before.code != 0:
        notes.append(
            f"{job.names.old} can't be imported here even before the move: {_last(before.output)}"
        )
        return
    for name in (job.names.new, job.names.old):
        outcome = _import(ground, name)
        if outcome.code != 0:
            reason = _last(outcome.output) if outcome.code is not None else "it takes too long"
            raise Refusal("breaks_import", f"{name} can't be imported after the move: {reason}")


def _import(ground: environment.Ground, name: str) -> environment.Outcome:
    return environment.run(ground, ["-c", f"import {name}"], timeout=IMPORT_SECONDS)


def _last(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "no output"


def _summary(job: Job, files: Mapping[str, str | None]) -> str:
    asked = [name for name in job.plan.names if name in job.plan.asked]
    shown = ", ".join(asked[:6]) + (f" and {len(asked) - 6} more" if len(asked) > 6 else "")
    others = len(files) - 2
    rest = f"; {others} other files follow" if others else ""
    return f"Move {shown} from {job.plan.module.source.path} to {job.target}{rest}."
