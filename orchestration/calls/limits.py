"""The limits of one call: the contract's, met with the verdict's, met with what was asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel.problems import Issue
from packaging.requirements import InvalidRequirement, Requirement

from governance import packages
from orchestration.calls.outcomes import No
from registry import sizes

NUMBERS = ("timeout", "cpu", "processes", "rows")
SIZES = ("memory", "disk", "output")


@dataclass(frozen=True)
class Clamped:
    """Arguments after clamping, the limits that hold, and what was cut: name to asked and given."""

    arguments: Mapping[str, Any]
    limits: Mapping[str, Any]
    cut: Mapping[str, Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """The limits as the row keeps them; `clamped` names what was cut."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in self.limits.items()}
        return plain | ({"clamped": {k: dict(v) for k, v in self.cut.items()}} if self.cut else {})


def clamp(arguments: Mapping[str, Any], limits: Mapping[str, Any]) -> Clamped:
    """Cut each argument that bears a limit's name down to the limit; one below it lowers the limit.

    Raises No for an argument that isn't above zero or is no size.
    """
    kept, held, cut = dict(arguments), dict(limits), {}
    for name in (*NUMBERS, *SIZES):
        asked = arguments.get(name)
        if asked is None or name not in limits:
            continue
        wanted = _amount(name, asked)
        if wanted is None:
            continue
        if wanted > limits[name]:
            given = sizes.text(limits[name]) if isinstance(asked, str) else limits[name]
            kept[name], cut[name] = given, {"asked": asked, "given": given}
        else:
            held[name] = wanted
    return Clamped(kept, held, cut)


def _amount(name: str, asked: Any) -> int | float | None:
    if isinstance(asked, bool):
        return None
    if isinstance(asked, str):
        if name not in SIZES:
            return None
        try:
            asked = sizes.parse(asked)
        except sizes.SizeError as error:
            raise _invalid(name, str(error)) from error
    if not isinstance(asked, int | float):
        return None
    if asked <= 0:
        raise _invalid(name, "write a number above zero")
    return asked


def _invalid(name: str, message: str) -> No:
    issue = Issue(f"/{name}", message)
    return No("invalid_arguments", f"The arguments don't fit: /{name}: {message}.", errors=(issue,))


def check_packages(arguments: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
    """Raises No for a package that isn't a requirement or isn't on the allow-list."""
    allowed = limits.get("packages", ())
    for index, text in enumerate(arguments.get("packages") or ()):
        place = f"/packages/{index}"
        try:
            name = Requirement(str(text)).name
        except InvalidRequirement as error:
            message = f"no package requirement: {str(error).splitlines()[0]}"
            raise _invalid(place[1:], message) from error
        if not packages.allowed(name, allowed):
            listed = ", ".join(allowed) or "none"
            raise No(
                "denied_by_policy",
                f"Package {name} isn't on the allow-list (allowed: {listed}). "
                "Ask the platform team to add it.",
                errors=(Issue(place, "not on the allow-list"),),
            )


def shown(limits: Mapping[str, Any]) -> dict[str, Any]:
    """The limits for people: sizes as `4GB`."""
    return {
        name: sizes.text(value) if name in SIZES and isinstance(value, int) else value
        for name, value in limits.items()
    }
