"""Packages come as wheels from the index, by name, from a list; nothing else gets through."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sandbox import Bind, Ending, Job, SandboxConfig, indexes, run, shelf
from orchestration.sandbox.layers import PackageRefused, PackageUnavailable, layer
from tests.orchestration.sandbox.conftest import ROOMY, ROOT
from tests.orchestration.sandbox.warmth import program, until, warmth

ALL = ("*",)


def wheel(folder: Path, name: str, *, requires: str = "", size: int = 0) -> None:
    """Writes a wheel of one module that holds its own name (and `size` bytes beside it)."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"NAME = {name!r}\n".encode(),
        f"{name}.bin": os.urandom(size),
        f"{info}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            + (f"Requires-Dist: {requires}\n" if requires else "")
        ).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
        archive.writestr(f"{info}/RECORD", record)


def source_only(folder: Path, name: str, trace: Path) -> None:
    """Writes a source distribution whose build would leave a trace."""
    top = f"{name}-1.0"
    setup = f"open({str(trace)!r}, 'w').write('built')\n"
    with tarfile.open(folder / f"{top}.tar.gz", "w:gz") as archive:
        for path, text in {"setup.py": setup, "PKG-INFO": f"Name: {name}\nVersion: 1.0\n"}.items():
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of wheels that takes the place of the index, by pip's own settings."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    wheel(folder, "alpha")
    wheel(folder, "beta", requires="alpha")
    return folder


@pytest.fixture
def shelved(tmp_path: Path) -> SandboxConfig:
    return SandboxConfig(home=tmp_path / "home", weak_limits=True)


def test_a_package_and_what_it_needs_can_be_imported_in_the_sandbox(
    index: Path, shelved: SandboxConfig
) -> None:
    made = layer(["beta"], config=shelved, allow=ALL)
    outcome = run(
        Job(
            ("python3", "-c", "import alpha, beta; print(alpha.NAME, beta.NAME)"),
            env={"PYTHONPATH": "/layer"},
            binds=(Bind(made, "/layer"),),
            limits=ROOMY,
        ),
        config=shelved,
    )
    assert outcome.stdout == b"alpha beta\n", outcome


def test_the_same_request_is_answered_by_the_same_layer_at_once(
    index: Path, shelved: SandboxConfig
) -> None:
    first = layer(["beta", "Alpha"], config=shelved, allow=ALL)
    started = time.monotonic()
    assert layer(["alpha", "beta", "beta"], config=shelved, allow=ALL) == first
    assert time.monotonic() - started < 0.1
    assert layer(["alpha"], config=shelved, allow=ALL) != first


def test_requests_that_come_to_the_same_packages_share_a_layer(
    index: Path, shelved: SandboxConfig
) -> None:
    both = layer(["beta", "alpha>=1"], config=shelved, allow=ALL)
    assert layer(["beta"], config=shelved, allow=ALL) == both
    assert layer(["beta==1.*", "alpha"], config=shelved, allow=ALL) == both


def test_a_layer_is_named_by_what_is_in_it(index: Path, tmp_path: Path) -> None:
    def made(home: str) -> str:
        config = SandboxConfig(home=tmp_path / home, weak_limits=True)
        return layer(["alpha"], config=config, allow=ALL).name

    first = made("one")
    assert made("two") == first
    # The same name and version with another content.
    wheel(index, "alpha", size=10)
    assert made("three") != first


def test_a_request_whose_layer_was_evicted_is_resolved_again(
    index: Path, shelved: SandboxConfig
) -> None:
    made = aged(layer(["alpha"], config=shelved, allow=ALL), 500)
    assert shelf.evict(replace(shelved, layer_budget_bytes=1)) == [made.name]
    assert list(shelf.folder(shelved).glob("*.request")) == []
    assert layer(["alpha"], config=shelved, allow=ALL) == made
    assert (made / "alpha.py").is_file()


PROCESS = """
import sys
from pathlib import Path
from orchestration.sandbox import SandboxConfig
from orchestration.sandbox.layers import layer
config = SandboxConfig(home=Path(sys.argv[1]), weak_limits=True)
print(layer(["beta"], config=config, allow=("*",)), flush=True)
"""


def test_processes_that_ask_at_once_make_one_layer(index: Path, shelved: SandboxConfig) -> None:
    command = [sys.executable, "-c", PROCESS, str(shelved.home)]
    asking = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)
    ]
    answers = {process.communicate(timeout=60)[0].strip() for process in asking}
    assert len(answers) == 1
    folders = [path for path in shelf.folder(shelved).iterdir() if path.is_dir()]
    assert [str(path) for path in folders] == list(answers)


def test_a_second_job_with_the_same_packages_is_warm(index: Path, tmp_path: Path) -> None:
    with warmth(tmp_path / "home") as pool:

        def job() -> Job:
            made = layer(["beta"], config=pool.config, allow=ALL)
            code = "import alpha, beta; print(beta.NAME)"
            env, binds = {"PYTHONPATH": "/packages"}, (Bind(made, "/packages"),)
            return program(code, env=env, binds=binds)

        assert run(job(), config=pool.config).stdout == b"beta\n"
        assert pool.warm(job()).stdout == b"beta\n"
        # Kept booted for, a layer is in use: it can't be evicted.
        aged(shelf.folder(pool.config) / job().binds[0].source.name, 500)
        assert until(pool.idle)
        assert shelf.evict(replace(pool.config, layer_budget_bytes=1)) == []


def test_packages_of_the_real_index_are_installed_once(shelved: SandboxConfig) -> None:
    try:
        made = layer(["iniconfig==2.*"], config=shelved, allow=("iniconfig",))
    except PackageUnavailable as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs a package index ({str(error)[:100]})")
    started = time.monotonic()
    assert layer(["iniconfig==2.*"], config=shelved, allow=("iniconfig",)) == made
    assert time.monotonic() - started < 0.1
    code = "import iniconfig; print(iniconfig.__name__)"
    job = program(code, env={"PYTHONPATH": "/packages"}, binds=(Bind(made, "/packages"),))
    assert run(job, config=shelved).stdout == b"iniconfig\n"


def test_nothing_in_a_layer_can_be_written(index: Path, shelved: SandboxConfig) -> None:
    made = layer(["alpha"], config=shelved, allow=ALL)
    modes = {path.stat().st_mode & 0o222 for path in made.rglob("*")}
    assert modes == {0}


def test_a_package_without_wheels_is_refused_and_not_built(
    index: Path, shelved: SandboxConfig, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    source_only(index, "gamma", trace)
    with pytest.raises(PackageUnavailable, match="No wheels for gamma"):
        layer(["alpha", "gamma"], config=shelved, allow=ALL)
    assert not trace.exists()
    assert [path.name for path in shelf.folder(shelved).iterdir() if path.is_dir()] == []


def test_a_package_that_is_not_there_is_named(index: Path, shelved: SandboxConfig) -> None:
    with pytest.raises(PackageUnavailable, match="No wheels for delta"):
        layer(["alpha", "delta"], config=shelved, allow=ALL)


def test_a_package_that_is_not_allowed_is_named(shelved: SandboxConfig) -> None:
    with pytest.raises(PackageRefused, match="Package delta isn't on the allow-list"):
        layer(["delta"], config=shelved, allow=("alpha", "beta-*"))


def test_names_are_compared_as_the_index_compares_them(index: Path, shelved: SandboxConfig) -> None:
    wheel(index, "beta_tools")
    assert layer(["Beta.Tools"], config=shelved, allow=("beta-*",)).is_dir()


@pytest.mark.parametrize(
    "text",
    [
        "-r /etc/passwd",
        "--index-url=https://example.org/simple",
        "-e .",
        ".",
        "./alpha",
        "/tmp/alpha.whl",
        "https://example.org/alpha.whl",
        "git+https://example.org/alpha",
        "alpha @ https://example.org/alpha.whl",
        "alpha @ file:///etc/passwd",
        "alpha --no-binary alpha",
        "alpha\n--index-url https://example.org",
        "alpha; rm -rf /",
        "alpha beta",
        "",
        "al\0pha",
        "alpha>=" + "1" * 400,
    ],
)
def test_what_is_no_plain_requirement_is_refused(shelved: SandboxConfig, text: str) -> None:
    with pytest.raises(PackageRefused):
        layer([text], config=shelved, allow=ALL)
    assert not shelved.home.exists()


def test_settings_of_the_working_directory_are_ignored(
    index: Path, shelved: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "repository"
    hostile.mkdir()
    (hostile / "uv.toml").write_text("this is not a setting = [")
    (hostile / "pyproject.toml").write_text("[tool.uv]\nno-such-setting = 1\n[project")
    (hostile / "alpha").mkdir()
    monkeypatch.chdir(hostile)
    made = layer(["alpha"], config=shelved, allow=ALL)
    assert (made / "alpha.py").read_text() == "NAME = 'alpha'\n"


def test_layers_asked_for_at_once_are_made_once(index: Path, shelved: SandboxConfig) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: layer(["beta"], config=shelved, allow=ALL), range(8)))
    assert len(made) == 1
    assert [path for path in shelf.folder(shelved).iterdir() if path.is_dir()] == list(made)


def aged(path: Path, seconds: float) -> Path:
    past = time.time() - seconds
    os.utime(path.with_name(f"{path.name}.lock"), (past, past))
    return path


def test_the_least_recently_used_layer_is_evicted_first(
    index: Path, shelved: SandboxConfig
) -> None:
    for name in ("one", "two", "three"):
        wheel(index, name, size=1 << 20)
    small = replace(shelved, layer_budget_bytes=5 << 19)
    one = aged(layer(["one"], config=small, allow=ALL), 100)
    two = aged(layer(["two"], config=small, allow=ALL), 200)
    three = layer(["three"], config=small, allow=ALL)
    assert [path.is_dir() for path in (one, two, three)] == [True, False, True]


def test_a_layer_in_use_is_not_evicted(index: Path, shelved: SandboxConfig) -> None:
    wheel(index, "one", size=1 << 20)
    small = replace(shelved, layer_budget_bytes=1 << 10)
    one = aged(layer(["one"], config=small, allow=ALL), 500)
    binds = (Bind(one, "/layer"),)
    with ThreadPoolExecutor(1) as pool:
        job = Job(("sh", "-c", "sleep 1; ls /layer/one.py"), binds=binds, limits=ROOMY)
        future = pool.submit(run, job, config=small)
        time.sleep(0.5)
        layer(["alpha"], config=small, allow=ALL)
        assert one.is_dir()
        assert future.result().ending is Ending.succeeded
    assert shelf.evict(small) == [one.name]
    assert not one.exists()


def test_pips_settings_are_handed_to_uv(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://one.example/simple\ntrusted-host = one.example\n"
        "[install]\nextra-index-url =\n  https://two.example/simple\n  https://three.example/simple\n"
    )
    given = {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_INDEX_URL": "https://four.example/simple",
        "HOME": str(tmp_path),
        "DATABASE_URL": "secret",
    }
    environment = indexes.environment(given)
    assert environment["UV_DEFAULT_INDEX"] == "https://four.example/simple"
    assert environment["UV_INDEX"] == "https://two.example/simple https://three.example/simple"
    assert environment["UV_INSECURE_HOST"] == "one.example"
    assert "DATABASE_URL" not in environment


def test_uvs_own_settings_win(tmp_path: Path) -> None:
    given = {"PIP_INDEX_URL": "https://pip.example", "UV_DEFAULT_INDEX": "https://uv.example"}
    assert indexes.environment(given)["UV_DEFAULT_INDEX"] == "https://uv.example"
