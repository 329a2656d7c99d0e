"""A catalogue: a folder of YAML whose entries become definitions, all or none.

Each YAML document is one entry with a `kind` and a `name`; files and folders are named as their
keepers like. Kinds are applied in the order of their rank, so that an entry may name another one
from any file.
"""

import difflib
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction
from kernel import catalogue
from kernel.catalogue import CatalogueError, CatalogueKind, Change
from kernel.problems import Issue

SUFFIXES = (".yaml", ".yml")


class CatalogueFault(ValueError):
    """A catalogue that can't be read or applied. The text names file, line and next step."""


@dataclass(frozen=True)
class Entry:
    """One YAML document, and where it stands."""

    kind: str
    name: str
    document: Mapping[str, Any]
    file: Path
    node: yaml.MappingNode

    def place(self, pointer: str) -> str:
        """`file:line` of what the JSON pointer names, or of the nearest thing around it."""
        node: yaml.Node = self.node
        for part in [part for part in pointer.split("/") if part]:
            inner = _child(node, part)
            if inner is None:
                break
            node = inner
        return f"{self.file}:{node.start_mark.line + 1}"


def _child(node: yaml.Node, part: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if str(key.value) == part), None)
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        found: yaml.Node = node.value[int(part)]
        return found
    return None


class _Loader(yaml.SafeLoader):
    """Safe YAML in which the same key twice is an error instead of a silent loss."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands here twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(folder: Path) -> list[Entry]:
    """Every entry of the folder, in the order of its files. Raises CatalogueFault."""
    if not folder.is_dir():
        raise CatalogueFault(f"{folder} is no folder. Name the folder that holds the YAML files.")
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    entries = [entry for file in files for entry in _entries(file)]
    _refuse_twice(entries)
    return entries


def _entries(file: Path) -> Iterator[Entry]:
    try:
        loader = _Loader(file.read_text(encoding="utf-8"))
        while loader.check_node():
            node = loader.get_node()
            yield _entry(file, node, loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise CatalogueFault(f"{file}:{line}: this is no YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogueFault(f"{file}: this is no YAML: {error}") from error


def _entry(file: Path, node: Any, document: Any) -> Entry:
    place = f"{file}:{node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode) or not isinstance(document, dict):
        raise CatalogueFault(f"{place}: an entry is a mapping that starts with `kind:`")
    known = [kind.kind for kind in catalogue.kinds()]
    kind, name = document.get("kind"), document.get("name")
    if kind not in known:
        raise CatalogueFault(f"{place}: kind {kind!r} is unknown; known: {', '.join(known)}")
    if not isinstance(name, str) or not name:
        raise CatalogueFault(f"{place}: this {kind} has no name; write `name: …`")
    return Entry(kind, name, document, file, node)


def _refuse_twice(entries: list[Entry]) -> None:
    seen: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        first = seen.setdefault((entry.kind, entry.name), entry)
        if first is not entry:
            raise CatalogueFault(
                f"{entry.place('')}: {entry.kind} {entry.name!r} stands already at "
                f"{first.place('')}; keep one of them"
            )


def load(folder: Path) -> list[Change]:
    """Apply the folder in one transaction. Raises CatalogueFault, and then nothing is written."""
    entries = read(folder)
    with transaction.atomic():
        return [
            _apply(kind, entry)
            for kind in catalogue.kinds()
            for entry in entries
            if entry.kind == kind.kind
        ]


def plan(folder: Path) -> list[Change]:
    """What `load` would do: it is done, and undone."""
    return [each.change for each in preview(folder)]


@dataclass(frozen=True)
class Preview:
    """A change that would be made, and how the definition differs afterwards: the lines of a
    unified diff of its YAML, empty where nothing changes."""

    change: Change
    diff: tuple[str, ...] = ()


def preview(folder: Path) -> list[Preview]:
    """What `load` would do, with the differences: it is done, and undone. Raises CatalogueFault."""
    with transaction.atomic():
        before = _definitions()
        changes = load(folder)
        after = _definitions()
        transaction.set_rollback(True)
    return [_compared(change, before, after) for change in changes]


def _definitions() -> dict[tuple[str, str], str]:
    """Every definition as YAML, by kind and name."""
    return {
        (kind.kind, str(document["name"])): _dump(document)
        for kind in catalogue.kinds()
        for document in kind.export()
    }


def _compared(
    change: Change, before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str]
) -> Preview:
    key = (change.kind, change.name)
    one, other = before.get(key, "").splitlines(), after.get(key, "").splitlines()
    found = difflib.unified_diff(one, other, "now", "afterwards", lineterm="", n=2)
    return Preview(change, tuple(found))


def _apply(kind: CatalogueKind, entry: Entry) -> Change:
    try:
        return kind.apply(entry.document)
    except CatalogueError as error:
        lines = [_line(entry, issue) for issue in error.issues]
        raise CatalogueFault("\n".join(lines) or str(error)) from error


def _line(entry: Entry, issue: Issue) -> str:
    where = f" {issue.pointer}" if issue.pointer else ""
    return f"{entry.place(issue.pointer)}: {entry.kind} {entry.name!r}{where}: {issue.message}"


def export(folder: Path) -> list[Path]:
    """Write every definition as `<kind>/<name>.yaml`. Returns the files, in order."""
    written = []
    for kind in catalogue.kinds():
        for document in kind.export():
            file = folder / kind.kind / f"{_file_name(str(document['name']))}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_dump({"kind": kind.kind} | document), encoding="utf-8")
            written.append(file)
    return written


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".") or "_"


class _Dumper(yaml.SafeDumper):
    """Plain YAML, with texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_dump: Callable[[Any], str] = lambda document: yaml.dump(  # noqa: E731
    document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
)
