"""Workflow definitions in YAML: one file is one workflow.

`parse` reads and checks; `of_document` rebuilds a published definition; both give a `Definition`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from kernel import canonical, schemas

from orchestration.definitions import checks, reading
from orchestration.definitions.nodes import (
    AgentNode,
    Definition,
    GateNode,
    Node,
    Retry,
    ToolNode,
)
from orchestration.definitions.source import Document, load
from orchestration.definitions.templates import TemplateError, render
from orchestration.models import WorkflowVersion

__all__ = [
    "AgentNode",
    "Definition",
    "Document",
    "GateNode",
    "Node",
    "Retry",
    "TemplateError",
    "ToolNode",
    "load",
    "of_document",
    "of_version",
    "parse",
    "read",
    "render",
]


def parse(source: str) -> Definition:
    """The definition behind YAML text. Raises kernel.problems.Invalid with every fault's place
    (JSON pointer and line)."""
    return read(load(source))


def of_document(value: Mapping[str, Any]) -> Definition:
    """The definition behind its JSON document."""
    return read(Document(dict(value)))


def of_version(version: WorkflowVersion) -> Definition:
    """The definition of a published version, kept in the process: a version never changes."""
    return _published(version.id)


@lru_cache(maxsize=512)
def _published(version_id: UUID) -> Definition:
    return of_document(WorkflowVersion.objects.get(id=version_id).document)


def read(document: Document) -> Definition:
    """The definition that the document says; raises Invalid with all faults at once.

    1. each part by itself; 2. their order; 3. the expressions, which need the order.
    """
    top = reading.Reader(document, "", document.value, reading.TOP)
    name, version = top.name("name"), reading.version(top)
    nodes = reading.steps(document, top.value.get("steps"))
    schema = _input(document, top)
    output = top.value.get("output")
    if nodes and not document.faults and checks.structure(document, nodes):
        checks.references(document, nodes, schema, output)
    document.refuse(f"The workflow {name!r}" if name else "The workflow")
    return Definition(
        name=name,
        version=version,
        description=top.text("description"),
        team=top.text("team"),
        baseline_minutes=reading.minutes(top),
        input=schema,
        steps=nodes,
        output=output,
        document=dict(document.value),
    )


def _input(document: Document, top: reading.Reader) -> dict[str, Any]:
    """The input's schema. What it doesn't name is refused, unless it says otherwise itself."""
    schema = top.mapping("input")
    for fault in schemas.faults_of_schema(schema):
        document.fault(f"/input{fault.pointer}", fault.message)
    return {"type": "object", "additionalProperties": False} | schema


def checksum(definition: Definition) -> str:
    """SHA-256 over the canonical JSON of the document."""
    return canonical.digest(definition.document)
