"""The test command says what it skipped and why; on the build machine that is a failure."""

from pathlib import Path

import pytest

from tests import run, services
from tests.run import Part

LACKING = "needs redis: sudo apt-get install redis-server"


@pytest.fixture
def without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_PROGRAMS", {**services._PROGRAMS, "redis": lambda: None})


@pytest.mark.usefixtures("without_redis")
def test_a_test_whose_service_is_missing_is_skipped_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match=LACKING):
        services.need("redis")


@pytest.mark.usefixtures("without_redis")
def test_on_the_build_machine_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=LACKING):
        services.need("redis")


@pytest.mark.usefixtures("without_redis")
def test_a_part_without_its_servers_counts_its_tests_as_skipped(tmp_path: Path) -> None:
    part = run._on_postgresql(tmp_path, ["tests/portal/test_timer.py"])
    assert part.ok
    assert part.skipped >= 9
    assert part.needs == (LACKING,)


@pytest.mark.parametrize(
    ("ci", "parts", "status", "last"),
    [
        ("", [Part("a", 0, 3), Part("b", 0, 2)], 0, "5 passed, 0 failed, 0 skipped"),
        ("", [Part("a", 1, 3, 1), Part("b", 0, 2)], 1, "5 passed, 1 failed, 0 skipped"),
        ("", [Part("a", 0, 3), Part("b", 0, 0, 0, 4, (LACKING,))], 0, "3 passed, 0 failed, 4 skip"),
        ("true", [Part("a", 0, 3), Part("b", 0, 0, 0, 4, (LACKING,))], 1, "3 passed, 1 failed, 4"),
        ("", [Part("a", 3, 3), Part("b", 0)], 1, "3 passed, 1 failed, 0 skipped"),
        ("", [Part("a", 5), Part("b", 5)], 1, "0 passed, 0 failed, 0 skipped"),
    ],
)
def test_the_last_line_and_the_exit_status_agree(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ci: str,
    parts: list[Part],
    status: int,
    last: str,
) -> None:
    monkeypatch.setenv("CI", ci)
    assert run.summed_up(parts) == status
    assert capsys.readouterr().out.splitlines()[-1].startswith(last)
