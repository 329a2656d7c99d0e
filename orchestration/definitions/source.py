"""YAML as JSON values with the line of every part; what could hurt or mislead is refused."""

import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml
from kernel.problems import Invalid, Issue
from kernel.schemas import pointer

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_FAULTS = 20

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}


@dataclass
class Document:
    """A loaded document: its value, the line (from 1) of each pointer, the faults found so far."""

    value: Any
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[Issue] = field(default_factory=list)

    def fault(self, where: str, message: str) -> None:
        """Note a fault at the pointer, or at the nearest part above it whose line is known."""
        line = self._line(where)
        self.faults.append(Issue(where, f"line {line}: {message}" if line else message))

    def _line(self, where: str) -> int | None:
        while where and where not in self.lines:
            where = where.rpartition("/")[0]
        return self.lines.get(where)

    def refuse(self, what: str) -> None:
        """Raise Invalid with every fault, if there is one."""
        if not self.faults:
            return
        found = tuple(self.faults[:MAX_FAULTS])
        shown = "; ".join(f"{issue.pointer or '/'}: {issue.message}" for issue in found[:5])
        raise Invalid(f"{what} can't be used: {shown}", errors=found)


def load(source: str) -> Document:
    """The document behind YAML text. Raises Invalid for broken YAML, with the line.

    Refused: more than 1 MiB, aliases and anchors (a few hundred bytes can unfold to gigabytes),
    tags, duplicate keys, keys that aren't text, nesting deeper than 40.
    """
    size = len(source.encode(errors="replace"))
    if size > MAX_BYTES:
        _stop(f"the definition has {size} bytes; at most {MAX_BYTES} are accepted", None)
    try:
        _scan(source)
        node = yaml.compose(source, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _stop(f"this isn't YAML: {error.problem or error.context}", mark.line + 1 if mark else None)
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        _stop(f"this isn't YAML: {error}", None)
    document = Document(None)
    if node is None:
        _stop("the definition is empty", 1)
    document.value = _value(node, (), document)
    return document


def _stop(message: str, line: int | None) -> NoReturn:
    where = f"line {line}: {message}" if line else message
    raise Invalid(f"The definition can't be read: {where}", errors=(Issue("", where),))


def _scan(source: str) -> None:
    depth = 0
    for event in yaml.parse(source, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            _stop("anchors and aliases (`&`, `*`) aren't accepted; write it out", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            _stop(f"nested deeper than {MAX_DEPTH}", line)


def _value(node: Any, path: tuple[str | int, ...], document: Document) -> Any:
    where = pointer(list(path))
    document.lines[where] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
        return [_value(item, (*path, index), document) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, where, document)
    document.fault(where, f"the tag {node.tag} isn't accepted")
    return None


def _mapping(node: Any, path: tuple[str | int, ...], document: Document) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = getattr(key_node, "value", None)
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _TEXT:
            document.lines[pointer([*path, str(key)])] = key_node.start_mark.line + 1
            document.fault(
                pointer([*path, str(key)]), f"a key must be text; put quotes around {key!r}"
            )
            continue
        value = _value(value_node, (*path, str(key)), document)
        document.lines[pointer([*path, str(key)])] = key_node.start_mark.line + 1
        if key in result:
            document.fault(pointer([*path, str(key)]), f"the key {key!r} is there twice")
        result[str(key)] = value
    return result


def _scalar(node: Any, where: str, document: Document) -> Any:
    if node.tag in _TEXT:
        return node.value
    if node.tag not in _PLAIN:
        document.fault(where, f"the tag {node.tag} isn't accepted")
        return None
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError) as error:
        document.fault(where, f"{node.value!r} can't be read: {error}")
        return None
    if isinstance(value, float) and not math.isfinite(value):
        document.fault(where, f"{node.value} is no number that JSON has")
        return None
    return value
