"""A file, a folder of files or a pasted text of any format, read as one import."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from registry.importing import functions, mcp, openapi, reading
from registry.importing.drafts import Imported, Refused, Terms

FORMATS = ("openapi", "mcp", "openai", "anthropic")
MAX_FILES = 2_000
_SUFFIXES = (".json", ".yaml", ".yml", ".snap")
_READERS: Mapping[str, Callable[[Any, str, Terms], Imported]] = {
    "openapi": lambda document, source, terms: openapi.read(document, source=source, terms=terms),
    "mcp": lambda document, source, terms: mcp.read(document, source, terms=terms),
    "openai": lambda document, source, terms: functions.read_openai(
        document, source=source, terms=terms
    ),
    "anthropic": lambda document, source, terms: functions.read_anthropic(
        document, source=source, terms=terms
    ),
}


def read(kind: str, document: Any, source: str = "", terms: Terms | None = None) -> Imported:
    """The drafts of a parsed document of a format. Raises Refused."""
    if kind not in _READERS:
        raise Refused("/format", f"{kind!r} is none of {', '.join(FORMATS)}")
    return _READERS[kind](document, source, terms or Terms())


def read_text(kind: str, raw: bytes, source: str = "", terms: Terms | None = None) -> Imported:
    """The drafts of a document in JSON or YAML. Raises Refused."""
    return read(kind, reading.document(raw), source, terms)


def read_path(kind: str, path: Path, source: str = "", terms: Terms | None = None) -> Imported:
    """The drafts of a file, or of a folder's files: their tools as one list; an OpenAPI document
    stands in one file. Raises Refused, which names the file."""
    if not path.is_dir():
        return read_text(kind, _content(path), source, terms)
    if kind == "openapi":
        raise Refused("", f"{path} is a folder: name one OpenAPI document")
    files = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES)
    if len(files) > MAX_FILES:
        raise Refused("", f"{len(files)} files; at most {MAX_FILES} are read")
    tools: list[Any] = []
    for file in files:
        try:
            tools += _listed(reading.document(_content(file)))
        except Refused as refused:
            raise Refused(refused.place, f"{file}: {refused.why}") from refused
    return read(kind, tools, source or path.name, terms)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(reading.MAX_BYTES + 1)
    except OSError as error:
        raise Refused("", f"{path} can't be read: {error.strerror}") from error


def _listed(document: Any) -> list[Any]:
    """The tools of one file of many."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        holder = document["result"] if isinstance(document.get("result"), dict) else document
        for key in ("tools", "functions"):
            if isinstance(holder.get(key), list):
                found: list[Any] = holder[key]
                return found
    return [document]
