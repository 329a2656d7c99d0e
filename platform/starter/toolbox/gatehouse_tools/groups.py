"""Definitions of a module that belong together: by an import, by a word, by their calls."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatehouse_tools.module import Definition, Module, import_aliases

EVERYWHERE = frozenset(
    "__future__ math re time datetime string"
    " typing typing_extensions dataclasses collections collections.abc functools abc"
    " enum warnings logging sys os six itertools operator contextlib inspect types numbers"
    " string copy textwrap pathlib attr attrs".split()
)
COMMON_WORDS = frozenset(
    "get set has the and for from with make create build check new old add del remove update"
    " init run main base abstract mixin error exception warning type value name item data info"
    " obj object helper util function func method class module test default all any not none one"
    " two list dict str int float bool bytes tuple args kwargs key file path iter next first"
    " last read write open close load dump parse format print show handle process call apply"
    " find compute calc convert to pass val post sorted attempt invalid valid moved based given"
    " like safe soft raw single multi is in of on by as at or if no do self cls result other"
    " text line index count size length".split()
)
# Modules of a repository's own that everything uses and that say nothing of what a group does.
GENERAL = frozenset(
    "exceptions errors error exc compat _compat utils util helpers constants const types _types"
    " typing _typing models base core common version _version settings config globals".split()
)
DOING = {
    "send": "sending",
    "open": "opening",
    "extract": "extraction",
    "render": "rendering",
    "encode": "encoding",
    "decode": "decoding",
    "quote": "quoting",
    "escape": "escaping",
    "sign": "signing",
    "hash": "hashing",
    "validate": "validation",
    "normalize": "normalization",
    "normalise": "normalisation",
    "wrap": "wrapping",
    "sort": "sorting",
    "merge": "merging",
    "split": "splitting",
    "match": "matching",
    "search": "searching",
    "filter": "filtering",
    "cache": "caching",
    "contain": "containment",
    "resolve": "resolution",
    "serialize": "serialization",
    "tokenize": "tokenization",
    "compare": "comparison",
    "derive": "derivation",
    "prompt": "prompting",
    "group": "grouping",
    "partial": "partials",
    "bind": "binding",
}


@dataclass(frozen=True)
class Group:
    """``label`` is the stable readable name; ``theme`` is how sure it is that it's one thing."""

    label: str
    names: tuple[str, ...]
    reason: str
    theme: float


def words(name: str) -> tuple[str, ...]:
    """The words of an identifier, lower case, singular."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    parts = [part.lower() for part in re.split(r"[_\d]+", spaced) if len(part) > 2]
    return tuple(singular(part) for part in parts)


def singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def plural(word: str) -> str:
    """The name of a module about such things."""
    if word in DOING:
        return DOING[word]
    if word.endswith(("s", "x", "ch", "sh", "ing")):
        return word
    return word[:-1] + "ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else word + "s"


def as_topic(label: str) -> str:
    """``hash_password`` as ``password_hashing``, ``get_translation`` as ``translations``."""
    verb, *rest = label.split("_")
    if not rest:
        return label
    if verb in DOING:
        return "_".join([*rest, DOING[verb]])
    return "_".join([*rest[:-1], plural(rest[-1])]) if verb in COMMON_WORDS else label


def find_groups(module: Module, own: Iterable[str]) -> list[Group]:
    """All proposals for a module, best founded first; they may overlap.

    ``own`` are the repository's top packages: sharing one of their imports says less than
    sharing a third party's.
    """
    found = [*_by_import(module, frozenset(own)), *_by_word(module), *_by_calls(module)]
    unique: dict[frozenset[str], Group] = {}
    for group in sorted(found, key=lambda g: (-g.theme, g.label)):
        unique.setdefault(frozenset(group.names), group)
    return list(unique.values())


def _uses(module: Module) -> dict[str, frozenset[str]]:
    """Definition to the module-level names that it uses."""
    return {
        name: frozenset().union(*(s.uses for s in module.binders[name]))
        for name in module.definitions
    }


def _by_import(module: Module, own: frozenset[str]) -> list[Group]:
    """Definitions that use one import, with those that speak of the same things."""
    uses = _uses(module)
    found = []
    for package, bound in sorted(_imports(module).items()):
        seeds = [name for name in module.definitions if uses[name] & bound]
        if not seeds or _says_nothing(package, own):
            continue
        names = _absorb(module, seeds, uses)
        if not 2 <= len(names) < len(module.definitions):
            continue
        short = package.strip(".").rsplit(".", 1)[-1]
        reason = f"{len(seeds)} of {len(module.definitions)} definitions use `{short}`"
        if len(names) > len(seeds):
            reason += f", {len(names) - len(seeds)} more belong to them"
        theme = _weight(package, own) * min(1.0, 0.5 + 0.2 * len(seeds))
        found.append(Group(short, names, reason, theme))
    return found


def _says_nothing(package: str, own: frozenset[str]) -> bool:
    top, last = package.split(".")[0], package.rsplit(".", 1)[-1]
    if (not top or top in own) and last in GENERAL:
        return True
    return top in EVERYWHERE or package in EVERYWHERE


def _weight(package: str, own: frozenset[str]) -> float:
    top = package.split(".")[0]
    if not top or top in own:
        return 0.75
    return 0.85 if top in sys.stdlib_module_names else 1.0


def _imports(module: Module) -> dict[str, frozenset[str]]:
    """Imported package to the names it is bound to here. Relative ones begin with a dot."""
    found: dict[str, set[str]] = {}
    for statement in module.statements:
        node = statement.node
        if isinstance(node, ast.Import):
            for name, alias in import_aliases(node):
                found.setdefault(alias.name, set()).add(name)
        elif isinstance(node, ast.ImportFrom):
            for name, alias in import_aliases(node):
                origin = "." * node.level + (node.module or alias.name)
                found.setdefault(origin, set()).add(name)
    return {package: frozenset(names) for package, names in found.items()}


def _absorb(
    module: Module, seeds: list[str], uses: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    """Add to the seeds what shares their subject, and helpers that only they use."""
    group = set(seeds)
    if len(seeds) > 1:
        subjects = _subjects(module, seeds)
        for name, node in module.definitions.items():
            if subjects.intersection(words(name)) and not _is_large_class(node):
                group.add(name)
    changed = True
    while changed:
        changed = False
        for name in module.definitions.keys() - group:
            users = {other for other in uses if name in uses[other] and other != name}
            if users and users <= group:
                group.add(name)
                changed = True
    return tuple(name for name in module.definitions if name in group)


def _subjects(module: Module, seeds: list[str]) -> set[str]:
    """Words in the names of most seeds, or in the variables of all of them."""
    named = Counter(w for seed in seeds for w in set(words(seed)))
    spoken: Counter[str] = Counter()
    for seed in seeds:
        nodes = list(ast.walk(module.definitions[seed]))
        names = {n.arg for n in nodes if isinstance(n, ast.arg)}
        names |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        spoken.update({w for name in names for w in words(name)})
    many = len(seeds) // 2 + 1
    subjects = {w for w, n in named.items() if n >= many}
    subjects |= {w for w, n in spoken.items() if n == len(seeds) >= 3}
    common = {
        w
        for w in subjects
        if sum(w in words(d) for d in module.definitions) > 0.7 * len(module.definitions)
    }
    return subjects - COMMON_WORDS - common


def _is_large_class(node: Definition) -> bool:
    return isinstance(node, ast.ClassDef) and len(node.body) > 12


def _by_word(module: Module) -> list[Group]:
    """Definitions whose names share a word that most of the module's don't."""
    uses = _uses(module)
    own_words = set(words(PurePosixPath(module.source.path).stem))
    by_word: dict[str, list[str]] = {}
    for name in module.definitions:
        for word in set(words(name)) - COMMON_WORDS - own_words:
            by_word.setdefault(word, []).append(name)
    found = []
    for word, seeds in sorted(by_word.items()):
        names = _with_helpers(module, seeds, uses)
        if len(seeds) >= 2 and len(names) <= 0.7 * len(module.definitions):
            reason = f"{len(seeds)} of {len(module.definitions)} definitions are about `{word}`"
            found.append(Group(word, names, reason, 0.85 if len(seeds) > 2 else 0.7))
    return found


def _with_helpers(
    module: Module, seeds: Iterable[str], uses: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    group = set(seeds)
    for name in module.definitions:
        users = {other for other in uses if name in uses[other] and other != name}
        if users and users <= group:
            group.add(name)
    return tuple(name for name in module.definitions if name in group)


def _by_calls(module: Module) -> list[Group]:
    """Connected parts of the graph of who uses whom, without the module's hubs."""
    uses = _uses(module)
    names = list(module.definitions)
    degree = Counter(n for name in names for n in uses[name] & module.definitions.keys())
    hubs = {n for n, count in degree.items() if count > max(3, len(names) // 4)}
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for name in names:
        for used in (uses[name] & module.definitions.keys()) - hubs - {name}:
            if name not in hubs:
                parent[root(name)] = root(used)
    parts: dict[str, list[str]] = {}
    for name in names:
        parts.setdefault(root(name), []).append(name)
    return [
        Group(
            _part_label(module, part, uses),
            tuple(part),
            f"{len(part)} definitions use each other",
            0.7,
        )
        for part in parts.values()
        if 2 <= len(part) <= 0.7 * len(names)
    ]


def _part_label(module: Module, part: list[str], uses: Mapping[str, frozenset[str]]) -> str:
    """A word that the part's names share, else the public name that the others serve."""
    own_words = set(words(PurePosixPath(module.source.path).stem))
    counted = Counter(w for n in part for w in set(words(n)) - COMMON_WORDS - own_words)
    if counted and counted.most_common(1)[0][1] > 1:
        return max(counted, key=lambda w: (counted[w], w))
    users = [name for name in part if not any(name in uses[o] for o in part if o != name)]
    chosen = next((n for n in users if not n.startswith("_")), part[0])
    parts = words(chosen)
    return "_".join(parts) if parts else chosen.strip("_").lower()
