"""Publishing policies, saying which are in force, and having those at hand as one rule set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from kernel import canonical, prepared
from kernel.problems import Conflict, Invalid, Issue
from kernel.together import Statement
from kernel.versions import Version, VersionError

from governance import audit, documents, rulesets
from governance.models import Policy, PolicyVersion
from governance.models.policies import PolicyStatus
from governance.rulesets import RuleSet, Source
from registry.models import Team

_ACTS = {
    PolicyStatus.ENFORCED: "policy.enforced",
    PolicyStatus.SHADOW: "policy.shadowed",
    PolicyStatus.RETIRED: "policy.retired",
}

Row = tuple[UUID, str, str, str | None]


class AlreadyPublished(Conflict):
    """The version number is taken by another document."""


def publish(policy: Policy, *, by: str) -> PolicyVersion:
    """Publish the document as it stands and make it the live version.

    1. refuse it with the place of each fault (Invalid);
    2. the same document under the same number is the version that there is;
    3. another document needs a number above the live one (AlreadyPublished);
    4. write the version, point the policy at it and audit, in one transaction.

    What is live is judged once the policy is enforced or in shadow (`put`).
    """
    number = _require_valid(policy)
    checksum = canonical.digest(policy.document)
    with transaction.atomic():
        existing = policy.versions.filter(sort_key=number.key).first()
        if existing is not None and existing.checksum != checksum:
            raise AlreadyPublished(
                f"{policy.name} {policy.version} is published with another document. "
                "A published version never changes: give the new one a higher number."
            )
        live = policy.live_version
        if live is not None and live.sort_key > number.key:
            raise AlreadyPublished(
                f"{policy.name} {policy.version} is below the live version {live.version}. "
                "Give it a higher number."
            )
        return existing or _write(policy, number, checksum, by)


def _require_valid(policy: Policy) -> Version:
    documents.require_valid(policy.document, name=policy.name)
    issues = list(_unknown_teams(policy.document))
    try:
        number = Version.parse(policy.version)
    except VersionError as error:
        issues.append(Issue("/version", str(error)))
    if issues:
        raise Invalid(f"Policy {policy.name!r} can't be published.", errors=tuple(issues))
    return number


def _unknown_teams(document: Mapping[str, Any]) -> list[Issue]:
    """Teams that are asked but don't exist: nobody could ever approve."""
    asked = {
        f"/rules/{index}/require_approval/reviewers/team": rule["require_approval"]["reviewers"][
            "team"
        ]
        for index, rule in enumerate(document["rules"])
        if "team" in rule.get("require_approval", {}).get("reviewers", {})
    }
    known = set(Team.objects.filter(name__in=asked.values()).values_list("name", flat=True))
    return [
        Issue(place, f"there is no team {name!r}")
        for place, name in asked.items()
        if name not in known
    ]


def _write(policy: Policy, number: Version, checksum: str, by: str) -> PolicyVersion:
    version: PolicyVersion = PolicyVersion.objects.create(
        policy=policy,
        version=policy.version,
        sort_key=number.key,
        document=policy.document,
        checksum=checksum,
        published_by=by,
    )
    policy.live_version = version
    policy.save()
    _record("policy.published", policy, version=version.version, checksum=checksum)
    return version


def put(policy: Policy, status: str) -> bool:
    """Enforce the policy's live version, let it run in shadow, or retire it. Returns False where
    it stood so already. Raises Invalid where nothing is published."""
    if status == policy.status:
        return False
    if status not in _ACTS:
        raise Invalid("A published policy is enforced, in shadow or retired; it is no draft again.")
    if policy.live_version is None:
        raise Invalid(f"Policy {policy.name!r} has no published version yet. Publish it first.")
    with transaction.atomic():
        before, policy.status = policy.status, status
        policy.save()
        live = policy.live_version.version
        _record(_ACTS[PolicyStatus(status)], policy, version=live, before=before)
    return True


def _record(event: str, policy: Policy, **data: Any) -> None:
    audit.record(
        event,
        target_kind="policy",
        target_id=policy.id,
        target_name=policy.name,
        team_id=policy.team_id,
        **data,
    )


@dataclass(frozen=True)
class _Compiled:
    """A rule set and the rows that it was made of."""

    rows: tuple[Row, ...]
    rules: RuleSet = field(default_factory=RuleSet)


_last = _Compiled(())


def enforced() -> RuleSet:
    """The rules in force now, those in shadow beside them. One narrow query tells whether the set
    has changed since this process compiled it; versions are immutable, so their ids say it all."""
    global _last
    rows = _rows()
    if rows != _last.rows:
        _last = _Compiled(rows, rulesets.compiled(_sources(rows)))
    return _last.rules


_IN_FORCE = prepared.Select(
    lambda: (
        Policy.objects.filter(
            status__in=(PolicyStatus.ENFORCED, PolicyStatus.SHADOW), live_version__isnull=False
        )
        .order_by("id")
        .values_list("live_version_id", "name", "status", "team__name")
    )
)


def _rows() -> tuple[Row, ...]:
    return tuple(_IN_FORCE.rows())


def question() -> Statement:
    """What `enforced` asks, for `together.ahead`."""
    return _IN_FORCE.question()


def _sources(rows: tuple[Row, ...]) -> list[Source]:
    versions = PolicyVersion.objects.in_bulk([version_id for version_id, *_ in rows])
    return [
        Source(
            name=name,
            version=versions[version_id].version,
            document=versions[version_id].document,
            team=team,
            shadow=status == PolicyStatus.SHADOW,
        )
        for version_id, name, status, team in rows
    ]
