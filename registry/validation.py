"""What keeps a tool's entry from being published: each fault with its place in the entry."""

from typing import Any

from kernel import money, schemas
from kernel.problems import Issue
from kernel.versions import Version, VersionError

from registry import secrets, sizes
from registry.contracts import DEFAULT_SANDBOX
from registry.models.agents import Environment

RESERVED = frozenset({"proposals", "reports", "requests", "request", "import", "export"})
"""Names that stand where a tool's name does in the addresses of the API and the pages."""

_POSITIVE = ("cpu_limit", "timeout", "processes")
_SIZE = ("memory_limit", "disk_limit", "output_limit")
_RATE = {"type": "string", "pattern": r"^[1-9]\d{0,8}/(second|minute|hour|day)$"}
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": 86_400}


def _closed(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False} | more


_OPTIONAL: dict[str, dict[str, Any]] = {
    "pure": {"type": "boolean"},
    "cache_seconds": {"type": ["integer", "null"], "minimum": 1},
    "retry": _closed(
        {
            "attempts": {"type": "integer", "minimum": 1, "maximum": 5},
            "backoff": {"type": "number", "minimum": 0, "maximum": 60},
            "on": {"type": "array", "items": {"type": "string", "minLength": 1}},
        }
    ),
    "rate_limit": _closed(dict.fromkeys(("agent", "team", "tool"), _RATE)),
    "circuit_breaker": _closed(
        {
            "failures": {"type": "integer", "minimum": 1, "maximum": 1_000},
            "within": _SECONDS,
            "pause": _SECONDS,
        }
    ),
    "environments": {
        "type": "array",
        "items": {"enum": list(Environment.values)},
        "uniqueItems": True,
    },
    "annotations": {"type": "object"},
}


def faults(document: dict[str, Any]) -> tuple[Issue, ...]:
    """Everything that is wrong with the entry; empty when it can be published."""
    return (
        *_faults_of_name(document["name"]),
        *_faults_of_schemas(document),
        *_faults_of_sandbox(document["sandbox_config"]),
        *_faults_of_version(document["version"]),
        *_faults_of_cost(document["cost_per_call"]),
        *_faults_of_executor(document),
        *_faults_of_secrets(document),
        *_faults_of_optional(document),
        *_faults_of_examples(document),
    )


def _faults_of_name(name: str) -> list[Issue]:
    if name in RESERVED:
        return [Issue("/name", "this name stands for something else in addresses; choose another")]
    return []


def _faults_of_schemas(document: dict[str, Any]) -> list[Issue]:
    parameters = document["parameters"]
    found = _under("/parameters", schemas.faults_of_schema(parameters))
    if not found and parameters.get("type") != "object":
        found.append(Issue("/parameters/type", 'the arguments are an object: write "object"'))
    if document["result_schema"] is not None:
        found += _under("/result_schema", schemas.faults_of_schema(document["result_schema"]))
    return found


def _under(pointer: str, issues: tuple[Issue, ...]) -> list[Issue]:
    return [Issue(pointer + issue.pointer, issue.message) for issue in issues]


def _faults_of_sandbox(sandbox: Any) -> list[Issue]:
    if not isinstance(sandbox, dict):
        return [Issue("/sandbox_config", "write an object, such as {cpu_limit: 2}")]
    found = [
        Issue(f"/sandbox_config/{name}", f"unknown; known: {', '.join(DEFAULT_SANDBOX)}")
        for name in sandbox
        if name not in DEFAULT_SANDBOX
    ]
    for name in _POSITIVE:
        value = sandbox.get(name, DEFAULT_SANDBOX[name])
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            found.append(Issue(f"/sandbox_config/{name}", "write a number above zero"))
    for name in _SIZE:
        try:
            sizes.parse(sandbox.get(name, DEFAULT_SANDBOX[name]))
        except sizes.SizeError as error:
            found.append(Issue(f"/sandbox_config/{name}", str(error)))
    return found


def _faults_of_version(version: str) -> list[Issue]:
    try:
        Version.parse(version)
    except VersionError as error:
        return [Issue("/version", str(error))]
    return []


def _faults_of_cost(cost: Any) -> list[Issue]:
    try:
        micros = money.to_micros(cost)
    except money.MoneyError as error:
        return [Issue("/cost_per_call", str(error))]
    return [Issue("/cost_per_call", "a price can't be negative")] if micros < 0 else []


def _faults_of_executor(document: dict[str, Any]) -> list[Issue]:
    if not isinstance(document["executor_config"], dict):
        return [Issue("/executor_config", "write an object")]
    required = {"command": "argv", "git": "operation", "context": "operation", "mcp": "server"}
    name = required.get(document["executor"])
    if name and not document["executor_config"].get(name):
        return [Issue(f"/executor_config/{name}", f"a {document['executor']} tool needs it")]
    return []


# Where a kind of tool fills placeholders of secrets; the others fill none.
_FILLED = {"http": ("headers", "query", "cookies"), "sql": ("dsn",), "command": ("env",)}


def _faults_of_secrets(document: dict[str, Any]) -> list[Issue]:
    config = document["executor_config"]
    found = []
    for member, value in config.items() if isinstance(config, dict) else ():
        for name in sorted(secrets.names(value)):
            pointer = f"/executor_config/{member}"
            if not secrets.is_name(name):
                found.append(Issue(pointer, f"{name[:80]!r} is no secret's name"))
            elif member not in _FILLED.get(document["executor"], ()):
                places = ", ".join(_FILLED.get(document["executor"], ())) or "nowhere"
                told = f"a {document['executor']} tool is given secrets in: {places}"
                found.append(Issue(pointer, told))
    return found


def _faults_of_optional(document: dict[str, Any]) -> list[Issue]:
    found: list[Issue] = []
    for name, schema in _OPTIONAL.items():
        if name in document:
            found += _under(f"/{name}", schemas.faults_of_value(document[name], schema))
    if document.get("retry", {}).get("attempts", 1) > 1 and not document["idempotent"]:
        found.append(Issue("/retry/attempts", "only an idempotent tool is tried again"))
    if document.get("pure") and not document["idempotent"]:
        found.append(Issue("/pure", "a pure tool is idempotent too: say so"))
    return found


_EXAMPLE = _closed(
    {
        "name": {"type": "string", "minLength": 1, "maxLength": 120},
        "arguments": {"type": "object"},
        "result": {},
        "expect": _closed(
            {
                "status": {
                    "enum": ["succeeded", "failed", "timed_out", "refused", "awaiting_approval"]
                },
                "reason": {"type": "string"},
                "result": {},
                "schema": {"type": ["object", "boolean"]},
            }
        ),
    }
)
"""An example: how it is compared says `orchestration.examples`, which executes it."""


def _faults_of_examples(document: dict[str, Any]) -> list[Issue]:
    if schemas.faults_of_schema(document["parameters"]):
        return []
    found: list[Issue] = []
    for index, example in enumerate(document["examples"]):
        arguments = example.get("arguments") if isinstance(example, dict) else None
        if not isinstance(arguments, dict):
            found.append(Issue(f"/examples/{index}/arguments", "write an object of arguments"))
            continue
        found += _under(f"/examples/{index}", schemas.faults_of_value(example, _EXAMPLE))
        faults = schemas.faults_of_value(arguments, document["parameters"])
        found += _under(f"/examples/{index}/arguments", faults)
        wanted = example.get("expect")
        if isinstance(wanted, dict) and isinstance(wanted.get("schema"), dict):
            faults = schemas.faults_of_schema(wanted["schema"])
            found += _under(f"/examples/{index}/expect/schema", faults)
    return found
