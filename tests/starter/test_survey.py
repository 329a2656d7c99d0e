from __future__ import annotations

from pathlib import Path

from tests.starter.conftest import SAMPLE, SHAPES_REPOSITORY, Repository, Toolbox

BIG = "\n\n".join(
    f"def mail_{name}(box):\n    result = smtplib.SMTP(box)\n    return result\n" * 1
    for name in ("send", "queue", "bounce", "archive", "track")
)
MAIL = f"import smtplib\n\n\n{BIG}\n\ndef total(a, b):\n    return a + b\n\n\n" + "\n\n".join(
    f"def sum_{n}(a):\n    return total(a, {n})\n" for n in range(8)
)
PACKAGED = "[build-system]\nrequires = ['hatchling']\n[project]\nname = 'post'\nversion = '1'\n"


def test_the_samples_jwt_handling_comes_first(toolbox: Toolbox) -> None:
    survey = toolbox("survey", SAMPLE)
    first = survey["candidates"][0]
    assert (first["module"], first["group"]) == ("src/auth/login.py", "jwt")
    assert first["target"] == "src/auth/tokens.py"
    assert {"decode_token", "encode_token", "build_claims"} <= set(first["names"])
    assert "AuthService" not in first["names"]
    assert survey["layout"] == {"roots": ["src"], "packages": ["auth"]}
    assert survey["distribution"] == {"name": "authservice", "version": "1.4.0"}
    assert survey["requirements"] == ["pyjwt>=2.8", "pytest>=8"]
    assert survey["nothing"] is None


def test_the_same_tree_gives_the_same_survey(toolbox: Toolbox) -> None:
    assert toolbox("survey", SAMPLE) == toolbox("survey", SAMPLE)


def test_an_excluded_module_or_group_makes_room_for_the_next(toolbox: Toolbox) -> None:
    for name in ("src/auth/login.py", "auth.login", "login.py", "jwt", "src/auth/login.py:jwt"):
        first = toolbox("survey", SAMPLE, exclude=[name])["candidates"][0]
        assert (first["module"], first["group"]) == ("src/auth/sessions.py", "cookies")


def test_a_module_and_a_group_can_be_named(toolbox: Toolbox) -> None:
    found = toolbox("survey", SAMPLE, module="auth.sessions", group="cookies")["candidates"]
    assert [c["target"] for c in found] == ["src/auth/cookies.py"]


def test_a_name_that_matches_nothing_is_told_what_there_is(toolbox: Toolbox) -> None:
    error = toolbox("survey", SAMPLE, module="billing")["error"]
    assert error["reason"] == "unknown_module"
    assert "src/auth/login.py" in error["message"]
    error = toolbox("survey", SAMPLE, group="cookie jars")["error"]
    assert error["reason"] == "unknown_group"
    assert "cookies (src/auth/sessions.py)" in error["message"]


def test_the_target_is_never_a_module_that_exists(toolbox: Toolbox) -> None:
    overlay = {"src/auth/tokens.py": '"""Taken."""\n'}
    first = toolbox("survey", SAMPLE, overlay=overlay, group="jwt")["candidates"][0]
    assert first["target"] not in {"src/auth/tokens.py", "src/auth/jwt.py"}
    assert not (SAMPLE / first["target"]).exists()


def test_requirements_are_found_where_people_keep_them(
    toolbox: Toolbox, repository: Repository, tmp_path: Path
) -> None:
    tree = repository(
        {
            "pyproject.toml": """
                [project]
                name = "post"
                version = "1.0"
                dependencies = ["httpx>=0.20", "tomli; python_version < '3.9'"]
                [project.optional-dependencies]
                cli = ["click"]
                tests = ["post[cli]", "freezegun", "local @ file:///etc/passwd"]
                [dependency-groups]
                base = ["time-machine>=2"]
                test = [{include-group = "base"}, "pytest>=7"]
                """,
            "requirements/test.txt": "-r more.txt\nrespx  # for httpx\n-e .\n",
            "requirements/more.txt": "-r test.txt\nattrs==23.1.0\n",
            "setup.py": f"""
                from setuptools import setup
                open({str(tmp_path / "executed")!r}, "w").close()
                LATER = ["pluggy"]
                setup(name="post", tests_require=LATER)
                """,
        }
    )
    survey = toolbox("survey", tree)
    assert survey["requirements"] == [
        "attrs==23.1.0",
        "click",
        "freezegun",
        "httpx>=0.20",
        "local",
        "pluggy",
        "pytest>=7",
        "respx",
        "time-machine>=2",
    ]
    assert not (tmp_path / "executed").exists()
    assert any("local" in note for note in survey["notes"])


def test_tox_is_asked_when_nothing_else_tells(toolbox: Toolbox, repository: Repository) -> None:
    tox = "[testenv]\ndeps =\n    pytest-mock\n    py27: mock\n    {env:X:}\n    coverage\n"
    survey = toolbox("survey", repository({"tox.ini": tox, "post.py": ""}))
    assert survey["requirements"] == ["coverage", "pytest", "pytest-mock"]


def test_files_that_cannot_be_read_are_passed_over(
    toolbox: Toolbox, repository: Repository, tmp_path: Path
) -> None:
    tree = repository(
        {
            "pyproject.toml": "[project\nbroken",
            "post/__init__.py": "",
            "post/mail.py": MAIL,
            "post/old.py": "print 'python two'\n" * 60,
            "post/deep.py": "x = " + "(" * 5000 + ")" * 5000 + "\n",
        }
    )
    (tree / "post" / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n" * 3)
    (tree / "post" / "zero.py").write_bytes(b"\0" * 100)
    (tree / "post" / "outside.py").symlink_to("/etc/passwd")
    (tree / "post" / "loop").symlink_to("..")
    first = toolbox("survey", tree)["candidates"][0]
    assert (first["module"], first["group"]) == ("post/mail.py", "smtplib")


def test_a_repository_with_nothing_to_move_is_told_why(
    toolbox: Toolbox, repository: Repository
) -> None:
    tree = repository({"pyproject.toml": PACKAGED, "post/__init__.py": "def one():\n    pass\n"})
    survey = toolbox("survey", tree)
    assert survey["candidates"] == []
    assert "fewer than three definitions" in survey["nothing"]


def test_a_repository_without_python_is_told_so(toolbox: Toolbox, repository: Repository) -> None:
    survey = toolbox("survey", repository({"README.md": "Nothing here.\n"}))
    assert survey["nothing"] == "The repository has no Python files."


def test_when_all_is_excluded_the_exclusions_are_named(
    toolbox: Toolbox, repository: Repository
) -> None:
    tree = repository({"post/__init__.py": "", "post/mail.py": MAIL})
    survey = toolbox("survey", tree, exclude=["mail"])
    assert "excluded (mail)" in survey["nothing"]


def test_shared_mutable_state_and_reflection_stay_where_they_are(
    toolbox: Toolbox, repository: Repository
) -> None:
    stateful = MAIL.replace("    return result", "    global BOX\n    BOX = result\n    return BOX")
    reflective = MAIL.replace("    return result", "    return globals()['total'](result)")
    files = {"post/__init__.py": "", "post/a.py": stateful, "post/b.py": reflective}
    groups = {(c["module"], c["group"]) for c in toolbox("survey", repository(files))["candidates"]}
    assert ("post/a.py", "smtplib") not in groups
    assert ("post/b.py", "smtplib") not in groups


def test_tests_are_not_taken_apart(toolbox: Toolbox, repository: Repository) -> None:
    files = {"post/__init__.py": "", "post/tests/test_mail.py": MAIL, "tests/mail.py": MAIL}
    assert toolbox("survey", repository(files))["candidates"] == []


def test_colours_are_found_by_their_word(toolbox: Toolbox, repository: Repository) -> None:
    found = toolbox("survey", repository(SHAPES_REPOSITORY), module="drawing")["candidates"]
    colours = next(c for c in found if c["group"] == "colour")
    assert colours["target"] == "src/shapes/colours.py"
    assert colours["along"] == ["NO_COLOUR"]
    assert "_polished" in colours["names"]
