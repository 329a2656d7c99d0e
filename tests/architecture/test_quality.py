"""What the tools say of the code: format, lint, types, layers, migrations, deployment, schema."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

PRODUCTION = {
    "HTTPS": "true",
    "DEBUG": "false",
    "ALLOWED_HOSTS": "gatehouse.example",
    "BASE_URL": "https://gatehouse.example",
    "DATABASE_URL": "postgres://gatehouse:secret@127.0.0.1/gatehouse",
    "CELERY_BROKER_URL": "redis://127.0.0.1:6379/0",
}


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def assert_content(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]


def test_the_code_is_formatted() -> None:
    assert_content(run("-m", "ruff", "format", "--check", "."))


def test_the_linter_is_content() -> None:
    assert_content(run("-m", "ruff", "check", "."))


@pytest.mark.timeout(600)
def test_the_types_fit(tmp_path: Path) -> None:
    # A cache from another state of the tree can tell of errors that are none.
    assert_content(run("-m", "mypy", f"--cache-dir={tmp_path}"))


def test_imports_point_down() -> None:
    assert_content(run("-c", "from importlinter.cli import lint_imports_command as c; c()"))


def test_no_import_dodges_a_cycle_from_inside_a_function() -> None:
    """`PLC0415` finds them; each exemption in the code gives its reason on the line."""
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for package in ("registry", "governance", "context", "orchestration", "observability")
        for path in (ROOT / package).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "noqa: PLC0415" in line and " - " not in line.split("PLC0415", 1)[1]
    ]
    assert not bare


def test_every_change_of_a_model_has_its_migration() -> None:
    assert_content(run("manage.py", "makemigrations", "--check", "--dry-run"))


def test_a_production_installation_has_nothing_to_warn_of(tmp_path: Path) -> None:
    keys = {name: secrets.token_urlsafe(50) for name in ("SECRET_KEY", "CREDENTIAL_KEY")}
    environment = PRODUCTION | keys | {"GATEHOUSE_HOME": str(tmp_path)}
    (tmp_path / "var").mkdir()
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **environment)
    assert_content(done)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEBUG", "perhaps", "kernel.E001"),
        ("SANDBOX_PARALLEL", "0", "kernel.E001"),
        ("SECRET_KEY_FILE", "/nowhere/key", "kernel.E001"),
        ("CELERY_BROKER_URL", "", "portal.W002"),
        ("DATABASE_URL", "", "portal.W003"),
        ("BASE_URL", "http://gatehouse.example", "portal.W004"),
    ],
)
def test_a_wrong_value_is_named_at_start(tmp_path: Path, name: str, value: str, said: str) -> None:
    environment = PRODUCTION | {"GATEHOUSE_HOME": str(tmp_path), name: value}
    (tmp_path / "var").mkdir()
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **environment)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_openapi_schema_is_whole(tmp_path: Path) -> None:
    file = str(tmp_path / "schema.yaml")
    done = run("manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", file)
    assert_content(done)
    schema = Path(file).read_text()
    for path in ("/api/v1/tools/{name}/call/", "/api/v1/tasks/claim/", "/api/v1/approvals/"):
        assert path in schema
