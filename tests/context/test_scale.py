"""Large imports take seconds, and a past rev costs its paths, not its history."""

import time
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from context import changesets, files, trees
from context.changesets import FileChange
from context.models import Project
from registry.models import User
from tests.context.conftest import Change

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_five_thousand_files_are_imported_read_and_laid_out_in_seconds(
    project: Project, alice: User, tmp_path: Path
) -> None:
    tree = {
        f"src/package_{n % 50}/module_{n}.py": FileChange(f"# {n}\n".encode() * 40)
        for n in range(5_000)
    }
    started = time.perf_counter()
    changesets.apply(project.id, base_rev=0, by=alice.actor, files=tree, kind="import")
    imported = time.perf_counter()
    listed = files.listing(project.id, at_rev=1)
    read = time.perf_counter()
    folder = trees.materialise(project.id, 1, root=tmp_path)
    laid_out = time.perf_counter()
    assert len(listed) == sum(1 for path in folder.rglob("*.py")) == 5_000
    assert imported - started < 30
    assert read - imported < 5
    assert laid_out - read < 30


def test_a_past_rev_is_read_through_the_paths_and_not_the_versions(
    change: Change, project: Project
) -> None:
    """Ten files with two hundred versions each: the plan seeks each path, and scans nothing."""
    change({f"f{n}": "0" for n in range(10)})
    for version in range(1, 200):
        change({f"f{n}": str(version) for n in range(10)})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as queries:
        entries = files.listing(project.id, at_rev=100)
    assert {entry.version for entry in entries} == {100}
    plan = files._past(project.id, 100, "").explain()
    assert len(queries) == 3
    assert "file_version_births" in plan
    assert "SCAN context_fileversion" not in plan
    assert "Seq Scan on context_fileversion" not in plan
