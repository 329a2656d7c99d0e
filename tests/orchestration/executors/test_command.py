"""Programs in the sandbox that speak JSON; the toolbox among them."""

from pathlib import Path
from typing import Any

import pytest
from kernel.actor import SYSTEM

from context import changesets, projects
from context.proposals import FileChange
from orchestration.calls import Refused
from registry.models import Agent, Team
from tests import factories
from tests.orchestration.executors import wheels
from tests.orchestration.executors.calling import ANYTHING, call, fault, value

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]


def make(code: str, *, sandbox_config: dict[str, Any] | None = None, **config: Any) -> None:
    factories.make_tool(
        "program",
        executor="command",
        executor_config={"argv": ["python3", "-c", code], "protocol": "json"} | config,
        sandbox_config=sandbox_config or {},
        parameters=ANYTHING,
    )


def test_arguments_go_in_and_the_last_line_comes_out(agent: Agent) -> None:
    make("import json,sys; a=json.load(sys.stdin); print('noise'); print(json.dumps({'got': a}))")
    big = 2**60
    assert value(call(agent, "program", a=[1, "é"], b=big)) == {"got": {"a": [1, "é"], "b": big}}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('hello')", "no_answer"),
        ("print('[1]')", "no_answer"),
        ("print('[' * 100000)", "no_answer"),
        ("pass", "no_answer"),
        ("raise SystemExit(4)", "exit_code"),
        ("import os; os.kill(os.getpid(), 9)", "killed"),
        ("""print('{"error": {"reason": "not_movable", "message": "No."}}')""", "not_movable"),
        ("""print('{"error": "just so"}')""", "program_error"),
    ],
)
def test_a_program_that_fails_is_a_failed_call(agent: Agent, code: str, reason: str) -> None:
    make(code)
    assert fault(call(agent, "program")) == reason


def test_what_it_says_on_standard_error_is_kept_with_the_failure(agent: Agent) -> None:
    make("import sys; sys.exit('because of this')")
    assert call(agent, "program").payload.error["stderr"] == "because of this\n"


def test_a_project_lies_read_only_at_tree(agent: Agent, team: Team) -> None:
    project = projects.create("auth-refactor", team=team, by=SYSTEM)
    for rev, text in ((0, b"old"), (1, b"new")):
        new = {"src/a.py": FileChange(text)}
        changesets.apply(project.id, base_rev=rev, by=SYSTEM, files=new)
    code = (
        "import json, os\n"
        "found = open('/tree/src/a.py').read()\n"
        "try:\n    open('/tree/x', 'w'); wrote = True\n"
        "except OSError: wrote = False\n"
        "print(json.dumps({'found': found, 'wrote': wrote, 'top': os.listdir('/tree')}))"
    )
    make(code, workspace=True)
    expected = {"wrote": False, "top": ["src"]}
    for rev, text in ((1, "old"), (2, "new"), (None, "new")):
        more = {} if rev is None else {"rev": rev}
        found = call(agent, "program", project="auth-refactor", **more)
        assert value(found) == expected | {"found": text}
        assert found.payload.arguments["rev"] == (rev or 2)


def test_packages_of_tool_and_call_come_in_one_layer(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels.serve(tmp_path / "wheels", monkeypatch, "packaging", "iniconfig")
    code = "import json, packaging, iniconfig; print(json.dumps({'at': packaging.__file__}))"
    sandbox = {"fixed_packages": ["packaging>=20"], "packages": ["ini*"]}
    make(code, sandbox_config=sandbox)
    found = call(agent, "program", packages=["iniconfig"])
    assert value(found)["at"].startswith("/packages/")
    with pytest.raises(Refused) as refused:
        call(agent, "program", packages=["packaging"])
    assert refused.value.reason == "denied_by_policy"
    assert fault(call(agent, "program", packages=["ini-no-such"])) == "package_unavailable"


def test_a_tool_of_the_toolbox_runs(
    agent: Agent, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels.serve(tmp_path / "wheels", monkeypatch, "packaging")
    project = projects.create("auth-refactor", team=team, by=SYSTEM)
    source = (
        b"import json\n\n\ndef load(x):\n    return json.loads(x)\n\n\n"
        b"def dump(x):\n    return json.dumps(x)\n\n\ndef other():\n    return 1\n"
    )
    new = {"src/app/codec.py": FileChange(source), "src/app/__init__.py": FileChange(b"")}
    changesets.apply(project.id, base_rev=0, by=SYSTEM, files=new)
    factories.make_tool(
        "survey_repository",
        executor="command",
        executor_config={
            "argv": ["python3", "-P", "/toolbox/survey.py"],
            "toolbox": "starter",
            "workspace": True,
        },
        sandbox_config={"fixed_packages": ["packaging>=20"]},
        parameters=ANYTHING,
    )
    found = call(agent, "survey_repository", project="auth-refactor")
    assert isinstance(value(found), dict)
    assert found.enforcement["seccomp"] is True


def test_the_platform_is_out_of_its_sight(agent: Agent, settings: Any) -> None:
    code = (
        "import json, os\n"
        f"hidden = ({str(settings.VAR)!r}, {str(settings.ROOT)!r})\n"
        "seen = [path for path in hidden if os.path.exists(path)]\n"
        "print(json.dumps({'seen': seen, 'environment': sorted(os.environ)}))"
    )
    make(code)
    found = value(call(agent, "program"))
    assert found["seen"] == []
    assert not {"SECRET_KEY", "DATABASE_URL", "GATEHOUSE_HOME"} & set(found["environment"])
