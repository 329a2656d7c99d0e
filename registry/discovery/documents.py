"""What of a tool's contract is searched: its words in four fields of falling weight. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernel import canonical, money

MOST_DESCRIPTION = 8_000
MOST_PARAMETERS = 6_000
MOST_EMBEDDED = 600
DEEPEST = 4

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Document:
    """A tool as it is searched. `text` is what is embedded; `facts` is what its calls are judged
    by."""

    name: str
    description: str
    tags: str
    parameters: str
    text: str
    facts: Mapping[str, Any]

    @property
    def checksum(self) -> str:
        return canonical.digest(
            [self.name, self.description, self.tags, self.parameters, self.text, dict(self.facts)]
        )


def words(text: str) -> list[str]:
    """The words of a text or name, in lower case: `listMessages` and `list_messages` are two."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def of(contract: Mapping[str, Any], retired: Sequence[Any] = ()) -> Document:
    """The document of a published contract; `retired` is what its tool says of single versions."""
    title = str(contract.get("annotations", {}).get("title", ""))[:200]
    tags = [str(tag) for tag in contract["tags"]]
    spoken = " ".join(words(contract["name"]))
    description = contract["description"][:MOST_DESCRIPTION]
    heading = " ".join(filter(None, (spoken, title)))
    return Document(
        # As it is written and as it is spoken: both are asked for.
        name=f"{contract['name']} {heading}",
        description=description,
        tags=" ".join([*tags, contract["owner"]]),
        parameters=" ".join(_spoken(contract["parameters"], DEEPEST))[:MOST_PARAMETERS],
        text=f"{heading}. {_opening(description)} {' '.join(tags)}".strip(),
        facts=facts_of(contract) | {"retired": list(retired)},
    )


def _opening(description: str) -> str:
    """The first sentences: what follows in a long description tells of details, and an average
    over all of its words would tell of nothing."""
    text = " ".join(description.split())
    if len(text) <= MOST_EMBEDDED:
        return text
    return text[:MOST_EMBEDDED].rsplit(" ", 1)[0]


def _spoken(schema: Any, depth: int) -> Iterator[str]:
    """Names and descriptions of the parameters, those of nested objects after their parents."""
    if not isinstance(schema, Mapping) or not depth:
        return
    properties = schema.get("properties")
    for name, entry in properties.items() if isinstance(properties, Mapping) else ():
        yield " ".join(words(str(name)))
        if isinstance(entry, Mapping):
            yield str(entry.get("description", ""))[:500]
            yield from (str(value)[:60] for value in _choices(entry))
            yield from _spoken(entry, depth - 1)
            yield from _spoken(entry.get("items"), depth - 1)


def _choices(entry: Mapping[str, Any]) -> list[Any]:
    found = entry.get("enum")
    return [each for each in found if isinstance(each, str)][:30] if isinstance(found, list) else []


# Entries without it were written before it was told.
NEWEST_FACT = "retired"


def facts_of(contract: Mapping[str, Any]) -> dict[str, Any]:
    """What calls of this contract are judged by, except for its name and version: everything that a
    policy can ask of a tool, and what the contract itself says of who may call it how often."""
    return {
        "permissions_required": sorted(contract["permissions_required"]),
        "tags": list(contract["tags"]),
        "owner": contract["owner"],
        "executor": contract["executor"],
        "cost_micros": money.to_micros(contract["cost_per_call"]),
        "data_class": contract["data_class"],
        "idempotent": contract["idempotent"],
        "environments": sorted(contract.get("environments", [])),
        "rate_limit": contract.get("rate_limit", {}),
        "has_breaker": bool(contract.get("circuit_breaker")),
    }
