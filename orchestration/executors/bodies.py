"""How a body is written from a value: JSON, a form, parts, or the text itself. Pure."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from orchestration.executors import styles

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class Unwritable(Exception):
    """The value can't be written as this media type."""


def written(value: Any, content_type: str) -> tuple[bytes, str]:
    """The body and its content type (with the boundary, for parts). Raises Unwritable."""
    plain = content_type.partition(";")[0].strip().lower()
    if plain == FORM:
        return _form(value), FORM
    if plain == MULTIPART:
        return _parts(value)
    if plain.endswith(("/json", "+json")) or not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).encode("utf-8", errors="replace"), content_type
    return value.encode("utf-8", errors="replace"), content_type


def _form(value: Any) -> bytes:
    pairs = [
        pair
        for name, item in _members(value, FORM)
        for pair in styles.query(name, _flat(item), style="form", explode=True)
    ]
    return "&".join(f"{name}={text}" for name, text in pairs).encode()


def _flat(item: Any) -> Any:
    # An object within a form is JSON, unless an encoding says otherwise (OpenAPI 3.1, 4.8.15).
    return styles.plain(item) if isinstance(item, Mapping) else item


def _parts(value: Any) -> tuple[bytes, str]:
    boundary = secrets.token_hex(16)
    lines: list[bytes] = []
    for name, item in _members(value, MULTIPART):
        for each in item if isinstance(item, list) else [item]:
            lines += [f"--{boundary}".encode(), *_part(name, each)]
    body = b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])
    return body, f"{MULTIPART}; boundary={boundary}"


def _part(name: str, item: Any) -> list[bytes]:
    # As browsers write it (HTML, multipart form data): a name can't end its header.
    own = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    said = [f'Content-Disposition: form-data; name="{own}"'.encode("utf-8", errors="replace")]
    if isinstance(item, Mapping | list):
        said.append(b"Content-Type: application/json")
    return [*said, b"", styles.plain(item).encode("utf-8", errors="replace")]


def _members(value: Any, what: str) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise Unwritable(f"A body of {what} is made of an object.")
    return [(str(name), item) for name, item in value.items() if item is not None]
