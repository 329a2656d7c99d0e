"""CEL (Common Expression Language) behind one small face: compile, check names, evaluate."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cel

MAX_LENGTH = 2_000
MAX_COMPREHENSIONS = 2
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_OPERATOR = re.compile(r"^(@|_|!|-|\W)")
FUNCTIONS = frozenset(
    "size contains startsWith endsWith matches int uint double string bytes bool timestamp "
    "duration type dyn min max has getFullYear getMonth getDate getDayOfMonth getDayOfWeek "
    "getDayOfYear getHours getMinutes getSeconds getMilliseconds".split()
)


class ExpressionError(ValueError):
    """An expression that doesn't compile, names what isn't there, or failed while it ran."""


@dataclass(frozen=True)
class Expression:
    """A compiled expression; `names` are the top-level variables that it reads."""

    source: str
    names: frozenset[str]
    program: Any

    def evaluate(self, variables: "Mapping[str, Any] | Variables") -> Any:
        """The expression's value. Raises ExpressionError where it can't be computed."""
        context = variables.context if isinstance(variables, Variables) else dict(variables)
        try:
            return self.program.execute(context)
        except Exception as error:
            raise ExpressionError(f"`{self.source}` failed: {error}") from error


class Variables:
    """Variables built once and read by many expressions: building costs more than evaluating."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.context = cel.Context(variables=dict(values))


@lru_cache(maxsize=8192)
def compile(source: str) -> Expression:
    """The compiled expression. Raises ExpressionError with the parser's place and reason."""
    if not source.strip():
        raise ExpressionError("the expression is empty")
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
    bound = _BOUND.findall(source)
    if len(bound) > MAX_COMPREHENSIONS:
        raise ExpressionError(f"more than {MAX_COMPREHENSIONS} comprehensions in one expression")
    try:
        program = cel.compile(source)
    except (ValueError, RuntimeError) as error:
        raise ExpressionError(f"`{source}` doesn't compile: {error}") from error
    return Expression(source, frozenset(program.variables()) - set(bound), program)


def check(source: str, declared: Iterable[str]) -> Expression:
    """Compile, and refuse names that nobody declares: an unknown name compiles in CEL."""
    expression = compile(source)
    known = sorted(set(declared))
    for name in sorted(expression.names - set(known)):
        raise ExpressionError(
            f"`{source}` names `{name}`, which isn't there; known: {', '.join(known)}"
        )
    for name in sorted(expression.program.functions()):
        if not _OPERATOR.match(name) and name not in FUNCTIONS:
            raise ExpressionError(f"`{source}` calls `{name}`, which isn't a known function")
    return expression
