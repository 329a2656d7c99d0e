"""The document of a policy: its form, and everything that can be wrong with one.

    applies_to:
      agents: {permission: code_execution}        name, permission, team, tag, environment
      tools: {name: [query_database]}             name, tag, permission
    rules:
      - name: writes_need_approval
        message: Require approval for writes
        when: arguments.mode == "write"           CEL; without it the rule always holds
        require_approval: {reviewers: {role: reviewer}, quorum: 1, deadline: 24h}

A selector's value is a text or a list of texts, any of which is enough; all keys must match. A rule
has exactly one kind: deny, require_approval, limit, redact, audit or expire.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kernel import expressions, schemas
from kernel.problems import Invalid, Issue

from governance import detectors, paths, redaction, units
from governance.facts import FIELDS, VARIABLES
from governance.verdicts import PAYLOADS

KINDS = ("deny", "require_approval", "limit", "redact", "audit", "expire")
MAX_RULES = 500

_TEXTS: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}
_PLACES = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[/$]"},
    "minItems": 1,
    "maxItems": 100,
}
_SPAN = {"type": ["integer", "string"]}


def _closed(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False} | more


GROUP = {
    "role": {"enum": ["reviewer", "platform", "auditor", "member"]},
    "team": {"type": "string", "minLength": 1},
    "users": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
}
"""Who may be asked; any of the members is enough."""

_REDACT = _closed(
    {
        "arguments": _PLACES,
        "results": _PLACES,
        "patterns": {"type": "array", "items": {"enum": list(detectors.NAMES)}, "minItems": 1},
        "expressions": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,39}$"},
            "additionalProperties": {"type": "string", "minLength": 1},
            "minProperties": 1,
            "maxProperties": 20,
        },
        "in": {"type": "array", "items": {"enum": ["arguments", "results"]}, "minItems": 1},
    },
    anyOf=[{"required": [each]} for each in ("arguments", "results", "patterns", "expressions")],
)
"""Places (JSON pointers, or JSONPath from `$`), named patterns and the policy's own expressions;
`in` says where the last two are looked for, else in both."""

_RULE = _closed(
    {
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"},
        "message": {"type": "string", "minLength": 1, "maxLength": 500},
        "when": {"type": "string", "minLength": 1},
        "deny": {"const": True},
        "require_approval": _closed(
            {
                "reviewers": _closed(GROUP, minProperties=1),
                "quorum": {"type": "integer", "minimum": 1, "maximum": 20},
                "deadline": _SPAN,
            }
        ),
        "limit": _closed({name: {} for name in units.LIMITS}, minProperties=1),
        "redact": _REDACT,
        "audit": _closed(
            {
                "executions": {"const": "all"},
                "trail": {"const": "required"},
                "arguments": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "payloads": {"enum": list(PAYLOADS)},
            },
            minProperties=1,
        ),
        "expire": _closed(
            {"after": _SPAN, "what": {"const": "effect"}}, required=["after", "what"]
        ),
    }
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The selector and the rules of a policy",
} | _closed(
    {
        "applies_to": _closed(
            {
                "agents": _closed(
                    dict.fromkeys(("name", "permission", "team", "tag", "environment"), _TEXTS)
                ),
                "tools": _closed(dict.fromkeys(("name", "tag", "permission"), _TEXTS)),
            }
        ),
        "rules": {"type": "array", "items": _RULE, "minItems": 1, "maxItems": MAX_RULES},
    },
    required=["rules"],
)


def faults(document: Any) -> tuple[Issue, ...]:
    """Everything that keeps the document from being published, each with its JSON pointer."""
    found = schemas.faults_of_value(document, SCHEMA)
    if found:
        return found
    rules = document["rules"]
    return tuple(
        issue
        for index, rule in enumerate(rules)
        for issue in (*_faults_of_rule(f"/rules/{index}", rule), *_repeated(rules, index))
    )


def require_valid(document: Any, *, name: str) -> None:
    """Raises Invalid with the place of each fault."""
    found = faults(document)
    if found:
        raise Invalid(f"Policy {name!r} can't be published.", errors=found)


def kind_of(rule: Mapping[str, Any]) -> str:
    """The one kind of a valid rule."""
    return next(kind for kind in KINDS if kind in rule)


def _faults_of_rule(pointer: str, rule: Mapping[str, Any]) -> Iterator[Issue]:
    kinds = [kind for kind in KINDS if kind in rule]
    if len(kinds) != 1:
        told = f"; this one has {' and '.join(kinds)}" if kinds else ""
        yield Issue(pointer, f"a rule has exactly one of {', '.join(KINDS)}{told}")
    if "when" in rule:
        yield from _faults_of_condition(f"{pointer}/when", rule["when"])
    yield from _faults_of_redaction(f"{pointer}/redact", rule.get("redact", {}))
    for name, value in rule.get("limit", {}).items():
        yield from _faults_of_unit(f"{pointer}/limit/{name}", units.LIMITS[name], value)
    for kind, name in (("require_approval", "deadline"), ("expire", "after")):
        if name in rule.get(kind, {}):
            yield from _faults_of_unit(f"{pointer}/{kind}/{name}", units.seconds, rule[kind][name])


def _faults_of_redaction(pointer: str, body: Mapping[str, Any]) -> Iterator[Issue]:
    for side in ("arguments", "results"):
        for index, path in enumerate(body.get(side, ())):
            if told := paths.fault(path):
                yield Issue(f"{pointer}/{side}/{index}", told)
    for name, expression in body.get("expressions", {}).items():
        if told := redaction.fault(expression):
            yield Issue(f"{pointer}/expressions/{name}", told)


def _repeated(rules: list[Mapping[str, Any]], index: int) -> Iterator[Issue]:
    name = rules[index].get("name")
    if name and any(rule.get("name") == name for rule in rules[:index]):
        yield Issue(f"/rules/{index}/name", f"two rules are named {name!r}")


def _faults_of_unit(pointer: str, read: Any, value: Any) -> Iterator[Issue]:
    try:
        read(value)
    except units.UnitError as error:
        yield Issue(pointer, str(error))


def _faults_of_condition(pointer: str, source: str) -> Iterator[Issue]:
    try:
        expressions.check(source, VARIABLES)
    except expressions.ExpressionError as error:
        yield Issue(pointer, str(error))
        return
    for variable, member in _MEMBER.findall(_STRING.sub('""', source)):
        known = FIELDS.get(variable)
        if known is not None and member not in known:
            told = f"`{variable}` has no `{member}`; known: {', '.join(sorted(known))}"
            yield Issue(pointer, told)


# A string literal of CEL, so that what it says isn't taken for a name.
_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', re.DOTALL)
_MEMBER = re.compile(r"(?<![\w.])(\w+)\s*\.\s*([A-Za-z_]\w*)(?!\w*\s*\()")
