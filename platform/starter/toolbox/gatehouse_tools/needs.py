"""What a repository and its tests need: PEP 508 strings, from all the places people use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatehouse_tools.hints import locked_versions, spoken_of
from gatehouse_tools.layout import Metadata, read_ini
from gatehouse_tools.protocol import Refusal
from gatehouse_tools.reqfiles import requirement_files, requirement_lines

try:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
except ImportError as error:  # pragma: no cover
    raise SystemExit(f"gatehouse_tools needs `packaging` in a layer: {error}") from error

TEST_GROUPS = (
    "test",
    "tests",
    "testing",
    "unittest",
    "pytest",
    "test-requirements",
    "tests-require",
)
WIDER_GROUPS = ("dev", "develop", "development", "all-tests", "ci", "qa")
TEST_FILE = re.compile(r"(?:^|[-_./])(tests?|testing)(?:[-_.]|$)|requirements[-_]?test", re.I)
WIDER_FILE = re.compile(r"(?:^|[-_./])(dev|develop|development|ci)(?:[-_.]|$)", re.I)

# Linters, documentation and release tools: named in wide groups, needed by no test.
NOT_FOR_TESTS = frozenset(
    [
        "black",
        "ruff",
        "flake8",
        "pylint",
        "isort",
        "pre-commit",
        "sphinx",
        "furo",
        "mkdocs",
        "mkdocs-material",
        "twine",
        "build",
        "tox",
        "nox",
        "bump2version",
        "bumpversion",
        "towncrier",
        "zest-releaser",
        "check-manifest",
        "pyupgrade",
        "codespell",
        "bandit",
        "pytest-cov",
        "coverage",
        "codecov",
        "coveralls",
        "pyright",
        "pip",
        "setuptools",
        "wheel",
        "hatch",
        "poetry",
        "uv",
        "sphinx-rtd-theme",
        "pytest-xdist",
        "pytest-flake8",
        "pytest-black",
        "pytest-mypy",
        "pytest-ruff",
        "pip-tools",
        "tox-uv",
        "pydocstyle",
        "docutils",
        "sphinx-copybutton",
        "myst-parser",
        "asv",
        "pytest-benchmark",
        "ipython",
        "pytest-checkdocs",
        "pytest-perf",
        "pytest-enabler",
        "jaraco-packaging",
        "rst-linker",
        "sphinx-lint",
        "sphinx-autobuild",
        "sphinx-tabs",
        "mypy",
        "ty",
        "pdbpp",
        "ipdb",
        "mutmut",
        "types-setuptools",
    ]
)
# Fixtures come from these: a suite that asks for them fails without.
KEPT_WHERE_NAMED = frozenset({"pytest-benchmark", "coverage", "mypy", "setuptools", "docutils"})


@dataclass
class Needs:
    """Collected requirements, in the order found; later spellings of one name are joined."""

    own_name: str
    wanted: dict[str, list[Requirement]] = field(default_factory=dict)
    sources: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, lines: Iterable[Any], *, file: str, what: str, narrow: bool) -> list[str]:
        """Take the lines that apply here; return the extras of the project that they name."""
        extras: list[str] = []
        count = 0
        for line in lines:
            requirement = self._read(line, file)
            if requirement is None:
                continue
            name = canonicalize_name(requirement.name)
            if name == canonicalize_name(self.own_name):
                extras += sorted(requirement.extras)
            elif name not in NOT_FOR_TESTS or (narrow and name in KEPT_WHERE_NAMED):
                self.wanted.setdefault(name, []).append(requirement)
                count += 1
        if count or extras:
            self.sources.append({"file": file, "what": f"{what}: {count} requirements"})
        return extras

    def _read(self, line: Any, file: str) -> Requirement | None:
        if not isinstance(line, str) or not line.strip():
            return None
        text = re.split(r"\s+#|\s--?[a-z]", line.strip())[0].strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            self.notes.append(f"{file}: {text[:80]!r} is no plain requirement and was left out")
            return None
        if requirement.url:
            self.notes.append(f"{file}: {requirement.name} from an address: taken from the index")
            requirement.url = None
        try:
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except Exception as error:  # noqa: BLE001  packaging raises several kinds for odd markers
            self.notes.append(f"{file}: the marker of {requirement.name} can't be judged: {error}")
            applies = True
        requirement.marker = None
        return requirement if applies else None

    def joined(self) -> list[str]:
        """One line per name: all specifiers and extras together, sorted by name."""
        lines = []
        for name, found in sorted(self.wanted.items()):
            extras = sorted({extra for requirement in found for extra in requirement.extras})
            specifiers = sorted({str(s) for requirement in found for s in requirement.specifier})
            suffix = f"[{','.join(extras)}]" if extras else ""
            lines.append(f"{name}{suffix}{','.join(specifiers)}")
        return lines


def find_needs(root: Path, metadata: Metadata, own_name: str) -> Needs:
    """Runtime dependencies, then those of tests; wide groups only where no narrow one is named.

    Sources: PEP 621, PEP 735, Poetry, PDM, Hatch, setuptools (setup.cfg, setup.py), pip's
    requirements files, tox.
    """
    needs = Needs(own_name)
    extras = _extras(metadata)
    _runtime(metadata, needs)
    before = len(needs.sources)
    _tests(root, metadata, needs, extras, TEST_GROUPS, TEST_FILE, narrow=True)
    if len(needs.sources) == before:
        _tests(root, metadata, needs, extras, WIDER_GROUPS, WIDER_FILE, narrow=False)
    if len(needs.sources) == before:
        _tox(root, needs, extras)
    if len(needs.sources) == before:
        plain = requirement_lines(root, "requirements.txt")
        needs.add(plain, file="requirements.txt", what="requirements", narrow=False)
        needs.add(spoken_of(root), file="-", what="known packages that tests speak of", narrow=True)
    if "pytest" not in needs.wanted:
        needs.wanted["pytest"] = [Requirement("pytest")]
        needs.sources.append({"file": "-", "what": "pytest, always"})
    _bound_by_lock(root, needs)
    return needs


def _bound_by_lock(root: Path, needs: Needs) -> None:
    """pytest and its plugins no newer than the lock file's: suites lean on their insides."""
    file, versions = locked_versions(root)
    bounded = []
    for name in sorted(needs.wanted):
        version = versions.get(name, "")
        if name.startswith("pytest") and re.fullmatch(r"\d[\d.]*", version):
            needs.wanted[name].append(Requirement(f"{name}<={version}"))
            bounded.append(name)
    if bounded:
        what = f"no newer than locked: {', '.join(bounded)}"
        needs.sources.append({"file": file, "what": what})


def _runtime(metadata: Metadata, needs: Needs) -> None:
    project = metadata.table("project")
    needs.add(
        project.get("dependencies") or [], file="pyproject.toml", what="dependencies", narrow=True
    )
    poetry = _poetry_lines(metadata.table("tool", "poetry", "dependencies"))
    needs.add(poetry, file="pyproject.toml", what="poetry dependencies", narrow=True)
    cfg = (metadata.setup_cfg.get("options", "install_requires", fallback="") or "").splitlines()
    needs.add(cfg, file="setup.cfg", what="install_requires", narrow=True)
    declared = metadata.setup_py.get("install_requires") or []
    lines = declared.splitlines() if isinstance(declared, str) else declared
    needs.add(lines, file="setup.py", what="install_requires", narrow=True)
    if not needs.sources:
        _requires_txt(metadata, needs)


def _requires_txt(metadata: Metadata, needs: Needs) -> None:
    """Dependencies made up by a setup.py that can't be read without running it."""
    for pattern in ("*.egg-info", "src/*.egg-info"):
        for folder in sorted(metadata.root.glob(pattern)):
            file = folder / "requires.txt"
            if file.is_file() and not file.is_symlink():
                plain = file.read_text("utf-8", "replace").split("[", 1)[0].splitlines()
                name = file.relative_to(metadata.root).as_posix()
                needs.add(plain, file=name, what="requires", narrow=True)


def _poetry_lines(table: Mapping[str, Any]) -> list[str]:
    """Poetry's constraints as PEP 508; optional ones and Python itself left out."""
    lines = []
    for name, value in table.items():
        if isinstance(value, dict) and value.get("optional"):
            continue
        entry: dict[str, Any] = value if isinstance(value, dict) else {"version": value}
        if name.lower() != "python":
            extras = f"[{','.join(entry.get('extras', []))}]" if entry.get("extras") else ""
            marker = f"; {entry['markers']}" if entry.get("markers") else ""
            lines.append(f"{name}{extras}{_caret(str(entry.get('version', '*')))}{marker}")
    return lines


def _caret(version: str) -> str:
    """Poetry's ^ and ~ in the terms of PEP 440: at least this; bounds above are dropped."""
    parts = [part.strip() for part in version.split(",") if part.strip() not in ("", "*")]
    if "||" in version or (" " in version.strip() and "," not in version):
        return ""
    return ",".join(
        f">={part.lstrip('^~')}"
        if part[0] in "^~" and part[1:2] != "="
        else part
        if part[0] in "<>=!~"
        else f"=={part}"
        for part in parts
    )


def _extras(metadata: Metadata) -> dict[str, tuple[str, list[Any]]]:
    """The project's own extras: name to (file, requirement lines)."""
    found: dict[str, tuple[str, list[Any]]] = {}
    setup = metadata.setup_py.get("extras_require")
    for name, lines in (setup if isinstance(setup, dict) else {}).items():
        found[_plain(name)] = ("setup.py", lines if isinstance(lines, list) else [lines])
    if metadata.setup_cfg.has_section("options.extras_require"):
        for name, raw in metadata.setup_cfg.items("options.extras_require"):
            found[_plain(name)] = ("setup.cfg", (raw or "").splitlines())
    for name, lines in metadata.table("project", "optional-dependencies").items():
        found[_plain(name)] = ("pyproject.toml", lines if isinstance(lines, list) else [])
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tests(
    root: Path,
    metadata: Metadata,
    needs: Needs,
    extras: Mapping[str, tuple[str, list[Any]]],
    groups: tuple[str, ...],
    file_pattern: re.Pattern[str],
    *,
    narrow: bool,
) -> None:
    pending = [name for name in groups if name in extras]
    pending += needs.add(
        _group_lines(metadata, groups),
        file="pyproject.toml",
        what="dependency groups",
        narrow=narrow,
    )
    declared = metadata.setup_py.get("tests_require") or []
    lines = declared if isinstance(declared, list) else [declared]
    lines += (metadata.setup_cfg.get("options", "tests_require", fallback="") or "").splitlines()
    pending += needs.add(lines, file="setup.py", what="tests_require", narrow=narrow)
    for file in requirement_files(root, file_pattern):
        found = requirement_lines(root, file)
        pending += needs.add(found, file=file, what="requirements", narrow=narrow)
    _add_extras(needs, extras, pending, narrow=narrow)


def _add_extras(
    needs: Needs, extras: Mapping[str, tuple[str, list[Any]]], names: list[str], *, narrow: bool
) -> None:
    """Extras may name the project's own other extras (PEP 621 recursion)."""
    pending, seen = list(names), set[str]()
    while pending:
        name = _plain(pending.pop(0))
        if name in extras and name not in seen:
            seen.add(name)
            file, lines = extras[name]
            pending += needs.add(lines, file=file, what=f"extra {name}", narrow=narrow)


def _group_lines(metadata: Metadata, names: tuple[str, ...]) -> list[Any]:
    groups = {_plain(k): v for k, v in metadata.table("dependency-groups").items()}
    lines: list[Any] = []
    pending, seen = [name for name in names if name in groups], set[str]()
    while pending:
        name = pending.pop(0)
        if name in seen or not isinstance(groups.get(name), list):
            continue
        seen.add(name)
        for item in groups[name]:
            if isinstance(item, dict):
                pending.append(_plain(str(item.get("include-group", ""))))
            else:
                lines.append(item)
    poetry = {_plain(k): v for k, v in metadata.table("tool", "poetry", "group").items()}
    pdm = {_plain(k): v for k, v in metadata.table("tool", "pdm", "dev-dependencies").items()}
    hatch = metadata.table("tool", "hatch", "envs")
    for name in names:
        if isinstance(poetry.get(name), dict):
            lines += _poetry_lines(poetry[name].get("dependencies") or {})
        lines += pdm.get(name) or []
        for key in ("dependencies", "extra-dependencies"):
            entry = hatch.get("hatch-test" if name == "test" else name, {})
            lines += (entry.get(key) or []) if isinstance(entry, dict) else []
        if name in ("dev", "test") and isinstance(hatch.get("default"), dict) and name == "dev":
            lines += hatch["default"].get("dependencies") or []
    if "dev" in names:
        lines += _poetry_lines(metadata.table("tool", "poetry", "dev-dependencies"))
        lines += metadata.table("tool", "uv").get("dev-dependencies") or []
    return lines


def _tox(root: Path, needs: Needs, extras: Mapping[str, tuple[str, list[Any]]]) -> None:
    """deps of [testenv]; lines for one factor (``py311: …``) and variables are left out."""
    section = read_ini(root / "tox.ini")
    pending: list[str] = []
    if section.has_section("testenv"):
        lines: list[str] = []
        for raw in (section.get("testenv", "deps", fallback="") or "").splitlines():
            line = raw.strip()
            include = re.match(r"-r\s*(?:\{toxinidir\}/)?(\S+)", line)
            if include and ".." not in include[1]:
                lines += requirement_lines(root, include[1])
            elif line and "{" not in line and not re.match(r"[\w!,{}-]+:\s", line):
                lines.append(line)
        pending += needs.add(lines, file="tox.ini", what="deps of testenv", narrow=True)
        named = section.get("testenv", "extras", fallback="") or ""
        pending += [name.strip() for name in re.split(r"[\n,]", named) if name.strip()]
    _add_extras(needs, extras, pending, narrow=True)


def require_package(name: str) -> Refusal:
    return Refusal("missing_package", f"Package {name} is in no layer: add it to the layer.")
