"""Values as source text that a reader would write, and the imports that the text needs.

Used beside the repository's code, hence without any import but the standard library's.
"""

import dataclasses
import datetime
import decimal
import enum
import fractions
import importlib
import math
import sys
import types
import uuid

MAX_TEXT = 240
IN_TESTS = ("tests", "test", "conftest", "testing")
MAX_DEPTH = 5
MAX_ITEMS = 12


class Unrenderable(Exception):
    """The value has no text that could stand in a test."""


def render(value):
    """Return (text, sorted imports) or raise Unrenderable. An import is a whole statement."""
    imports = set()
    text = _text(value, imports, 0)
    if len(text) > MAX_TEXT:
        raise Unrenderable(f"longer than {MAX_TEXT} characters")
    return text, sorted(imports)


def _text(value, imports, depth):
    if depth > MAX_DEPTH:
        raise Unrenderable("nested too deep")
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, int):
        return repr(value)
    if kind in (str, bytes):
        return _quoted(value)
    if kind is float:
        if not math.isfinite(value):
            raise Unrenderable("not finite")
        return repr(value)
    if kind in (list, tuple, set, frozenset, dict):
        return _container(value, kind, imports, depth)
    if isinstance(value, enum.Enum):
        if not value.name or "|" in value.name:
            raise Unrenderable("a combined flag")
        return f"{_reference(kind, imports)}.{value.name}"
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return _reference(value, imports)
    return _special(value, kind, imports, depth)


def _quoted(value):
    text = repr(value)
    if text.lstrip("b").startswith("'") and '"' not in text:
        prefix = "b" if text.startswith("b") else ""
        return prefix + '"' + text[len(prefix) + 1 : -1] + '"'
    return text


def _container(value, kind, imports, depth):
    if len(value) > MAX_ITEMS:
        raise Unrenderable("too many items")
    if kind is dict:
        pairs = [
            f"{_text(k, imports, depth + 1)}: {_text(v, imports, depth + 1)}"
            for k, v in value.items()
        ]
        return "{" + ", ".join(pairs) + "}"
    items = [_text(item, imports, depth + 1) for item in value]
    if kind is list:
        return f"[{', '.join(items)}]"
    if kind is tuple:
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    inner = "{" + ", ".join(sorted(items)) + "}"
    if kind is set:
        return inner if items else "set()"
    return f"frozenset({inner})" if items else "frozenset()"


def _special(value, kind, imports, depth):
    if isinstance(value, datetime.datetime | datetime.date | datetime.time | datetime.timedelta):
        return _moment(value, imports)
    if kind in (decimal.Decimal, fractions.Fraction):
        return f"{_reference(kind, imports)}({_quoted(str(value))})"
    if kind is uuid.UUID:
        return f"{_reference(kind, imports)}({_quoted(str(value))})"
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        items = [f"{n}={_text(getattr(value, n), imports, depth + 1)}" for n in kind._fields]
        return f"{_reference(kind, imports)}({', '.join(items)})"
    names = _fields(value, kind)
    if names is None:
        raise Unrenderable(f"an object of {kind.__module__}.{kind.__qualname__}")
    items = [f"{a}={_text(getattr(value, n), imports, depth + 1)}" for n, a in names]
    return f"{_reference(kind, imports)}({', '.join(items)})"


def _fields(value, kind):
    """Pairs (attribute, argument) of a dataclass or attrs class that differ from the default."""
    if dataclasses.is_dataclass(kind):
        if kind.__init__.__qualname__ != f"{kind.__qualname__}.__init__" and "__init__" in vars(
            kind
        ):
            pass
        found = []
        for field in dataclasses.fields(kind):
            if not field.init or not hasattr(value, field.name):
                raise Unrenderable("fields that the constructor doesn't take")
            default = field.default
            if default is not dataclasses.MISSING and getattr(value, field.name) == default:
                continue
            found.append((field.name, field.name))
        return found
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is None:
        return None
    if not all(a.init for a in attributes):
        raise Unrenderable("fields that the constructor doesn't take")
    return [(a.name, getattr(a, "alias", None) or a.name.lstrip("_")) for a in attributes]


def _moment(value, imports):
    imports.add("import datetime")
    if isinstance(value, datetime.timedelta):
        parts = [f"{n}={getattr(value, n)}" for n in ("days", "seconds", "microseconds")]
        return f"datetime.timedelta({', '.join(p for p in parts if not p.endswith('=0'))})"
    if isinstance(value, datetime.datetime):
        parts = [
            value.year,
            value.month,
            value.day,
            value.hour,
            value.minute,
            value.second,
            value.microsecond,
        ]
        while len(parts) > 3 and parts[-1] == 0:
            parts.pop()
        name = "datetime"
    elif isinstance(value, datetime.time):
        parts, name = [value.hour, value.minute, value.second, value.microsecond], "time"
    else:
        parts, name = [value.year, value.month, value.day], "date"
    zone = getattr(value, "tzinfo", None)
    if zone is not None and zone is not datetime.UTC:
        raise Unrenderable("a time zone other than UTC")
    suffix = ", tzinfo=datetime.timezone.utc" if zone else ""
    return f"datetime.{name}({', '.join(map(str, parts))}{suffix})"


def _reference(value, imports):
    """The name of something that can be imported from where it says it is."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not module or not name.isidentifier() or module in ("__main__", "__mp_main__"):
        raise Unrenderable("not at the top of a module")
    if module == "builtins":
        return name
    module = PUBLIC.get((module, name), module)
    parts = module.split(".")
    if any(part in IN_TESTS or part.startswith("test_") for part in parts):
        raise Unrenderable("defined in a test")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise Unrenderable(f"{module} can't be imported") from error
    if found is not value:
        raise Unrenderable("not what its name says")
    if any(part.startswith("_") for part in parts) and module not in SUBJECT:
        raise Unrenderable("from a private module")
    imports.add(f"from {module} import {name}")
    return name


PUBLIC = {}
SUBJECT = set()


def prefer(module, names):
    """Names of this module are imported from it, also where it is private."""
    SUBJECT.add(module)
    loaded = sys.modules.get(module)
    for name in names:
        value = getattr(loaded, name, None)
        origin = getattr(value, "__module__", None)
        if origin:
            PUBLIC[(origin, name)] = module
