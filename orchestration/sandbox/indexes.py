"""Where packages come from on this machine: pip's and uv's own settings, read for uv.

pip's: https://pip.pypa.io/en/stable/topics/configuration/ ; uv's are environment variables.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# What uv needs from the platform's environment; its secrets are no concern of uv's.
PASSED = {"HOME", "PATH", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CONFIG_HOME"}
PASSED |= {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
UV_SETTINGS = {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"}
UV_SETTINGS |= {"UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"}
UV_SETTINGS |= {"UV_HTTP_TIMEOUT", "UV_KEYRING_PROVIDER", "UV_OFFLINE"}


def environment(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which uv uses this machine's indexes: uv's settings, else pip's."""
    given = os.environ if source is None else source
    passed = {
        name: value
        for name, value in given.items()
        if name.upper() in PASSED or name in UV_SETTINGS or name.startswith("UV_INDEX_")
    }
    return _from_pip(given) | passed


def _from_pip(given: Mapping[str, str]) -> dict[str, str]:
    pip = dict(_pip_settings(given))
    mapped = {
        "UV_DEFAULT_INDEX": pip.get("index-url"),
        "UV_INDEX": _words(pip.get("extra-index-url"), " "),
        "UV_FIND_LINKS": _words(pip.get("find-links"), ","),
        "UV_INSECURE_HOST": _words(pip.get("trusted-host"), " "),
        "SSL_CERT_FILE": pip.get("cert"),
        "UV_HTTP_TIMEOUT": pip.get("timeout") or pip.get("default-timeout"),
        "UV_NO_INDEX": pip.get("no-index"),
    }
    return {name: value for name, value in mapped.items() if value}


def _pip_settings(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """pip's settings in ascending weight: files first, then PIP_… variables."""
    for path in _pip_files(given):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                yield from parser.items(section)
    for name, value in given.items():
        if name.startswith("PIP_"):
            yield name.removeprefix("PIP_").lower().replace("_", "-"), value


def _pip_files(given: Mapping[str, str]) -> list[Path]:
    named = given.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(given.get("HOME", "/nonexistent"))
    config = Path(given.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf"]
    files += [config / "pip/pip.conf", Path(sys.prefix) / "pip.conf"]
    return [*files, Path(named)] if named else files


def _words(value: str | None, separator: str) -> str | None:
    return separator.join(value.split()) if value else None
