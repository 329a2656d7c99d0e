"""What a definition's parts must be to each other: order, loops, and expressions that name what is
there when they run."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kernel import expressions
from kernel.expressions import ExpressionError

from orchestration.definitions import templates
from orchestration.definitions.nodes import AgentNode, GateNode, Node, ToolNode, ancestors
from orchestration.definitions.source import Document

VARIABLES = ("input", "steps", "project", "run")
OF_STEP = frozenset({"status", "output", "error", "iteration", "attempts"})
OF_RUN = frozenset({"id", "workflow", "version", "environment", "started_by"})
OF_PROJECT = frozenset({"name", "team", "rev", "status", "next_step"})

_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_STEP = re.compile(
    r"(?<![\w.])steps\b(\s*\.\s*(\w+)|\s*\[\s*[\"'](\w+)[\"']\s*\])?(\s*\.\s*(\w+))?"
)
_MEMBER = re.compile(r"(?<![\w.])(run|project|input)\s*\.\s*(\w+)")


def structure(document: Document, nodes: tuple[Node, ...]) -> bool:
    """Names, needs, cycles and loop targets. Returns whether there is an order to go by."""
    names = [node.name for node in nodes]
    fine = True
    for node in nodes:
        if names.index(node.name) != nodes.index(node):
            document.fault(f"/steps/{node.position}/name", f"the name {node.name!r} is taken")
            fine = False
        for need in node.needs:
            if need not in names:
                document.fault(
                    f"/steps/{node.position}/needs", f"{need!r} is no step of this workflow"
                )
                fine = False
    if not fine:
        return False
    circle = cycle({node.name: node.needs for node in nodes})
    if circle:
        document.fault("/steps", f"the steps form a cycle: {' → '.join(circle)}")
        return False
    for node in nodes:
        if isinstance(node, GateNode):
            _loop(document, node, nodes)
    return True


def cycle(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """One cycle, in order and closed, or nothing."""
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                done.add(path.pop())
            elif name in path:
                return (*path[path.index(name) :], name)
            elif name not in done:
                path.append(name)
                stack.append((name, True))
                stack.extend((need, False) for need in needs[name])
    return ()


def _loop(document: Document, gate: GateNode, nodes: tuple[Node, ...]) -> None:
    if gate.back_to is None:
        return
    before = ancestors({node.name: node.needs for node in nodes})[gate.name]
    if gate.back_to not in before:
        document.fault(
            f"/steps/{gate.position}/gate/on_request_changes/back_to",
            f"{gate.back_to!r} doesn't come before {gate.name!r}"
            + (f"; before it: {', '.join(sorted(before))}" if before else ""),
        )


def references(
    document: Document, nodes: tuple[Node, ...], schema: Mapping[str, Any], output: Any
) -> None:
    """Every expression compiles, and names only what is there by then."""
    before = ancestors({node.name: node.needs for node in nodes})
    known = frozenset(schema.get("properties", {}))
    inputs = None if schema.get("additionalProperties") is not False else known
    for node in nodes:
        where = f"/steps/{node.position}"
        scope = Scope(document, frozenset(before), before[node.name], inputs, node.name)
        if node.when is not None:
            scope.expression(f"{where}/when", node.when)
        for place, value in _templates(node):
            scope.template(f"{where}/{place}", value)
    everything = frozenset(before)
    Scope(document, everything, everything, inputs, "").template("/output", output)


def _templates(node: Node) -> tuple[tuple[str, Any], ...]:
    if isinstance(node, AgentNode):
        return (("task", node.task), ("input", dict(node.input)))
    if isinstance(node, ToolNode):
        return (("arguments", dict(node.arguments)),)
    if isinstance(node, GateNode):
        return (("gate/question", node.question), ("gate/show", dict(node.show)))
    return ()


class Scope:
    """What an expression of one step may name."""

    def __init__(
        self,
        document: Document,
        steps: frozenset[str],
        before: frozenset[str],
        inputs: frozenset[str] | None,
        owner: str,
    ) -> None:
        self.document, self.steps, self.before = document, steps, before
        self.members = {"run": OF_RUN, "project": OF_PROJECT, "input": inputs}
        self.owner = owner

    def template(self, where: str, value: Any) -> None:
        for pointer, text in templates.strings(value):
            try:
                parts = templates.split(text)
            except ExpressionError as error:
                self.document.fault(where + pointer, str(error))
                continue
            for part in parts:
                if part.is_expression:
                    self.expression(where + pointer, part.text)

    def expression(self, where: str, source: str) -> None:
        try:
            expressions.check(source, VARIABLES)
        except ExpressionError as error:
            self.document.fault(where, str(error))
            return
        for problem in self.unknown(source):
            self.document.fault(where, problem)

    def unknown(self, source: str) -> Iterable[str]:
        """What the expression names that isn't there, in words."""
        for match in _STEP.finditer(_without_strings(source)):
            yield from self._step(source, match[2] or match[3], match[5], bool(match[1]))
        for base, member in _MEMBER.findall(_STRING.sub("''", source)):
            known = self.members[base]
            if known is not None and member not in known:
                yield (
                    f"`{source}` names `{base}.{member}`, which isn't there; "
                    f"known: {', '.join(sorted(known)) or 'nothing'}"
                )

    def _step(
        self, source: str, name: str | None, member: str | None, named: bool
    ) -> Iterable[str]:
        if not named or name is None:
            yield f"`{source}` must name a step: steps.NAME.output"
        elif name not in self.steps:
            yield f"`{source}` names the step {name!r}, which isn't there"
        elif name not in self.before:
            yield f"`{source}` reads {name!r}, which doesn't come before {self.owner!r}"
        elif member is not None and member not in OF_STEP:
            yield (
                f"`{source}` reads `steps.{name}.{member}`; a step has {', '.join(sorted(OF_STEP))}"
            )


def _without_strings(source: str) -> str:
    """The source with string literals blanked, save those that index: `steps["name"]`."""
    return _STRING.sub(
        lambda m: m[0] if source[: m.start()].rstrip().endswith("[") else "''", source
    )
