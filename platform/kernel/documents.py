"""Documents that people type: YAML, of which JSON is a part, without its traps."""

from typing import Any

import yaml

from kernel.problems import Invalid, Issue

MAX_TEXT = 256 * 1024


class _Loader(yaml.SafeLoader):
    """Plain YAML: no aliases (a few nest into gigabytes), and no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="aliases aren't used here", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                mark = node.value[position][0].start_mark
                raise yaml.MarkedYAMLError(problem=f"{key!r} stands twice", problem_mark=mark)
        return super().construct_mapping(node, deep=deep)


def from_text(text: str) -> Any:
    """The document in YAML or JSON. Raises Invalid with the line and column of what is broken."""
    if len(text) > MAX_TEXT:
        raise Invalid(f"A document has at most {MAX_TEXT} characters; this one has {len(text)}.")
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that knows less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        told = f"{place}{error.problem}"
        raise Invalid(f"This is no YAML. {told}", errors=(Issue("", told),)) from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise Invalid(f"This is no YAML: {error}", errors=(Issue("", str(error)),)) from error


def by_name(value: Any) -> Any:
    """The document with its members by name: PostgreSQL keeps them in an order of its own."""
    if isinstance(value, dict):
        return {key: by_name(value[key]) for key in sorted(value)}
    return [by_name(each) for each in value] if isinstance(value, list) else value


def to_text(document: Any) -> str:
    """The document as YAML, for people to read and edit."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=96)
    return text
