"""Proposed contracts: a team submits an entry, reviewers decide, exactly that is published.

Governance opens the question when `proposal.submitted` arrives, and tells the outcome here. Each
transition is one conditional update of an open proposal, so a message that comes twice, or after
another outcome, changes nothing.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from kernel import actor as actors
from kernel import acts, canonical, clock, outbox
from kernel.actor import SYSTEM, Actor
from kernel.catalogue import CatalogueError
from kernel.problems import Conflict, Forbidden, Invalid, Issue, NotFound, Problem

from registry import catalogue, contracts, entries, publishing, quotas
from registry.models import Team, Tool, ToolProposal, ToolReport, ToolVersion
from registry.models.curation import ProposalStatus, ReportStatus

SUBMITTED = "proposal.submitted"
CLOSED = "proposal.closed"
PER_HOUR = 30
MAX_NOTES = 10_000


def submit(
    document: Any,
    *,
    by: Actor,
    notes: str = "",
    name: str | None = None,
    base: str | None = None,
    report_id: UUID | None = None,
) -> ToolProposal:
    """Put a tool's whole catalogue entry before the platform team; the live version stays live.

    1. the entry has an entry's shape, and the proposer may propose it (Invalid, Forbidden);
    2. rehearse its publication, which finds every fault with its place (Invalid);
    3. in one transaction take the place of the one under review, and ask for a review.

    `name` is the tool that the entry has to be about, `base` the live version that it was made
    from: another one that is live meanwhile refuses it (Conflict). `report_id` is the report or
    request that it answers.
    """
    entry = entries.read(document, name)
    _require_fitting(notes)
    tool, team = _place(entry, by)
    live = tool.live_version if tool is not None else None
    if base is not None and base != (live.version if live else ""):
        raise Conflict(
            f"{entry['name']} {base} isn't the live version any more; "
            f"it is {live.version if live else 'not published'}. Propose again on top of that."
        )
    contract, differences = _rehearsed(entry, live, notes)
    row = ToolProposal(
        tool=tool,
        name=entry["name"],
        team=team,
        base_version=live,
        number=contract["version"],
        document=entry,
        contract=contract,
        digest=_digest(entry, contract, live),
        differences=differences,
        notes=notes.strip().replace("\x00", ""),
    )
    return _submitted(row, by, report_id)


def _require_fitting(notes: str) -> None:
    if len(notes) > MAX_NOTES:
        issue = Issue("/notes", f"at most {MAX_NOTES} characters")
        raise Invalid("These notes are too long.", errors=(issue,))


def _place(entry: Mapping[str, Any], by: Actor) -> tuple[Tool | None, Team]:
    """The tool that the entry changes, None for a new one, and the team that owns it."""
    tool = Tool.objects.select_related("live_version", "team").filter(name=entry["name"]).first()
    if tool is None:
        return None, _own_team(entry, by)
    if not Tool.objects.visible_to(by, "change").filter(pk=tool.pk).exists():
        if Tool.objects.visible_to(by).filter(pk=tool.pk).exists():
            raise Forbidden(
                f"Tool {tool.name!r} belongs to team {tool.team.name!r}, which proposes its "
                f"changes. Report what is wrong with it at /tools/{tool.name}/report/."
            )
        raise Conflict(f"The name {tool.name!r} is taken. Choose another.")
    if entry["owner"] != tool.team.name:
        issue = Issue("/owner", f"it is {tool.team.name!r}; the platform team moves tools")
        raise Invalid("A proposal doesn't change a tool's owner.", errors=(issue,))
    return tool, tool.team


def _own_team(entry: Mapping[str, Any], by: Actor) -> Team:
    team: Team | None = Team.objects.visible_to(by).filter(name=entry["owner"]).first()
    if team is None or not (by.is_platform or team.id in by.teams):
        yours = ", ".join(Team.objects.filter(id__in=by.teams).values_list("name", flat=True))
        issue = Issue("/owner", f"write a team of yours: {yours or 'you belong to none'}")
        raise Invalid("A tool is proposed by the team that will own it.", errors=(issue,))
    return team


class _Undone(Exception):
    """Ends a rehearsal."""


def _rehearsed(
    entry: Mapping[str, Any], live: ToolVersion | None, notes: str
) -> tuple[dict[str, Any], list[Any]]:
    """What publishing the entry would make, and what that changes: published for real, in a
    savepoint that is undone. Raises Invalid with the place of each fault."""
    made: list[ToolVersion] = []
    try:
        with transaction.atomic():
            made.append(_published(entry, SYSTEM, notes))
            raise _Undone
    except _Undone:
        version = made[0]
    except CatalogueError as error:
        raise Invalid("This entry can't be published.", errors=error.issues) from error
    except Problem as problem:
        errors = problem.errors or (Issue("/version", problem.detail),)
        raise Invalid(problem.detail, errors=errors, extra=problem.extra) from problem
    if live is not None and contracts.lasting(version.contract) == contracts.lasting(live.contract):
        raise Conflict(f"{entry['name']} {live.version} says the same and is live already.")
    return version.contract, version.changes


def _published(entry: Mapping[str, Any], by: Actor, notes: str) -> ToolVersion:
    """Write the entry into the draft and publish it. What rules a tool at once, without a version
    (its deprecation, who sees it), stays as it is now."""
    tool = Tool.objects.select_related("replacement").filter(name=entry["name"]).first()
    kept: dict[str, Any] = {}
    if tool is not None:
        kept = contracts.lifecycle_of(tool) | {
            "shared": tool.is_shared,
            "sunset_at": tool.sunset_at,
        }
    said = {key: value for key, value in entry.items() if key not in contracts.LIFECYCLE}
    # The platform acts, for the proposer, who may not publish.
    with actors.acting(Actor("system", None, SYSTEM.name, on_behalf_of=by.reference)):
        row, _ = catalogue.write_tool(said | kept)
        version = publishing.publish(row, by=by.reference, notes=notes)
    if row.live_version_id != version.id:
        raise Conflict(f"{row.name} {version.version} was published before. Give it a new number.")
    return version


def _digest(entry: Mapping[str, Any], contract: Mapping[str, Any], live: ToolVersion | None) -> str:
    base = live.checksum if live is not None else None
    return canonical.digest({"entry": entry, "contract": contract, "base": base})


def _submitted(row: ToolProposal, by: Actor, report_id: UUID | None) -> ToolProposal:
    row.requester_kind, row.requester_id = by.kind, by.id
    row.requester_name, row.requester_for = by.name, by.on_behalf_of
    try:
        with transaction.atomic():
            mine = ToolProposal.objects.filter(requester_kind=by.kind, requester_id=by.id)
            quotas.require_room(mine, by, PER_HOUR)
            _supersede(row.name, by)
            row.save(force_insert=True)
            if report_id is not None:
                _take_up(report_id, row, by)
            _record("submitted", row, base=row.base_version.version if row.base_version else None)
            outbox.put(SUBMITTED, row.id)
    except IntegrityError as error:
        raise Conflict(
            f"Somebody else proposed {row.name!r} at the same moment. Look at theirs, then submit "
            "again to take its place."
        ) from error
    return row


def _supersede(name: str, by: Actor) -> None:
    old = ToolProposal.objects.filter(name=name, status=ProposalStatus.OPEN).first()
    if old is None:
        return
    if by.kind == "agent" and (old.requester_kind, old.requester_id) != (by.kind, by.id):
        raise Conflict(
            f"{old.requester_name}'s proposal of {name!r} is in review; an agent replaces its own "
            f"proposals alone. See /tools/proposals/{old.id}/."
        )
    _close(old, ProposalStatus.SUPERSEDED, f"{by.reference} submitted a newer one.")


def _take_up(report_id: UUID, row: ToolProposal, by: Actor) -> None:
    """Mark the report that the proposal answers. One that can't be is no reason to refuse it."""
    reports = ToolReport.objects.visible_to(by).filter(
        id=report_id, status__in=(ReportStatus.OPEN, ReportStatus.ANSWERED)
    )
    if not by.is_platform:
        reports = reports.filter(team_id=row.team_id)
    reports.update(
        status=ReportStatus.TAKEN_UP,
        proposal=row,
        answered_by=by.reference,
        answered_at=clock.now(),
    )


def visible(actor: Actor) -> QuerySet[ToolProposal]:
    """The actor's own and their teams'; for auditors and the platform team all."""
    rows: QuerySet[ToolProposal] = ToolProposal.objects.visible_to(actor)
    return rows.select_related("team", "tool", "base_version", "published_version")


def find(proposal_id: UUID, actor: Actor) -> ToolProposal:
    """Raises NotFound for what isn't there or isn't visible."""
    row = visible(actor).filter(id=proposal_id).first()
    if row is None:
        raise NotFound("There is no such proposal, or it isn't visible to you.")
    return row


def may_withdraw(row: ToolProposal, actor: Actor) -> bool:
    """Who asked may, and the people of the team; an agent takes back its own alone."""
    if row.status != ProposalStatus.OPEN:
        return False
    if (row.requester_kind, row.requester_id) == (actor.kind, actor.id):
        return True
    return actor.kind == "user" and (actor.is_platform or row.team_id in actor.teams)


def withdraw(proposal_id: UUID, *, by: Actor) -> ToolProposal:
    """Take an open proposal back. Raises NotFound, Forbidden, Conflict where it is closed."""
    row = find(proposal_id, by)
    if row.status == ProposalStatus.OPEN and not may_withdraw(row, by):
        raise Forbidden("A proposal is withdrawn by whoever submitted it, or by its team.")
    with transaction.atomic():
        if not _close(row, ProposalStatus.WITHDRAWN, f"{by.reference} withdrew it."):
            row.refresh_from_db()
            raise Conflict(
                f"This proposal is closed as {row.status}; there is nothing to withdraw."
            )
    return row


def why_outdated(row: ToolProposal) -> str:
    """Why approving it would publish nothing; empty where it would."""
    tool = Tool.objects.select_related("live_version", "team").filter(name=row.name).first()
    return _outdated(row, tool)


def why_not(row: ToolProposal, digest: str) -> str:
    """Why what `digest` covers wouldn't be published now; empty where it would."""
    if row.status != ProposalStatus.OPEN:
        return f"This proposal is closed as {row.status}."
    return why_outdated(row) or _altered(row, digest)


def digest_of(row: ToolProposal) -> str:
    """The digest of the proposal as it is now: of what whoever reads it is shown."""
    return _digest(row.document, row.contract, row.base_version)


def _outdated(row: ToolProposal, tool: Tool | None) -> str:
    if tool is None:
        return f"Tool {row.name!r} is gone." if row.base_version_id else ""
    if tool.team_id != row.team_id:
        return f"Tool {row.name!r} belongs to another team now."
    if tool.live_version_id == row.base_version_id:
        return ""
    live = tool.live_version.version if tool.live_version else "no version"
    base = row.base_version.version if row.base_version else "nothing"
    return f"It was made on top of {base}, and {live} is live now. Submit it again."


def asked(proposal_id: UUID, approval_id: UUID) -> bool:
    """Note which question is about the proposal. False where it isn't open any more."""
    rows = ToolProposal.objects.filter(id=proposal_id, status=ProposalStatus.OPEN)
    return bool(rows.update(approval_id=approval_id))


def publish(proposal_id: UUID, *, digest: str, approved_by: list[str]) -> ToolProposal:
    """Publish an approved proposal: exactly what `digest` covers, on top of what was live then.

    1. one that isn't open was decided already: nothing happens;
    2. one whose base isn't live any more, or that can't be published as shown, is outdated;
    3. the version, the tool's new live version and the outcome are written together.
    """
    with transaction.atomic():
        row: ToolProposal = ToolProposal.objects.select_for_update().get(id=proposal_id)
        if row.status != ProposalStatus.OPEN:
            return row
        tool = Tool.objects.select_for_update().filter(name=row.name).first()
        refused = _outdated(row, tool) or _altered(row, digest)
        if refused:
            _close(row, ProposalStatus.OUTDATED, refused)
            return row
        try:
            with transaction.atomic():
                version = _published_as_shown(row)
        except (Problem, CatalogueError) as error:
            told = getattr(error, "detail", "") or str(error)
            _close(row, ProposalStatus.OUTDATED, f"It can't be published as it was shown: {told}")
            return row
        more = {"published_version": version, "tool": version.tool}
        _close(row, ProposalStatus.PUBLISHED, f"Approved by {', '.join(approved_by)}.", **more)
    return row


def _altered(row: ToolProposal, digest: str) -> str:
    """Rows can be edited in a database; an approval covers what people saw."""
    same = digest == row.digest == digest_of(row)
    return "" if same else "It isn't what was shown to the reviewers. Submit it again."


def _published_as_shown(row: ToolProposal) -> ToolVersion:
    requester: Actor = Actor(row.requester_kind, row.requester_id, row.requester_name)  # type: ignore[arg-type]
    version = _published(row.document, requester, row.notes)
    if contracts.lasting(version.contract) != contracts.lasting(row.contract):
        raise Conflict("the platform reads this entry differently now. Submit it again.")
    return version


def reject(proposal_id: UUID, *, comment: str) -> bool:
    """The reviewers said no. False where it was closed already."""
    return _decided(proposal_id, ProposalStatus.REJECTED, comment)


def request_changes(proposal_id: UUID, *, comment: str) -> bool:
    """The reviewers want it otherwise. False where it was closed already."""
    return _decided(proposal_id, ProposalStatus.CHANGES_REQUESTED, comment)


def drop(proposal_id: UUID, *, reason: str) -> bool:
    """The question about it was taken back. False where it was closed already."""
    return _decided(proposal_id, ProposalStatus.WITHDRAWN, reason)


def _decided(proposal_id: UUID, status: ProposalStatus, outcome: str) -> bool:
    with transaction.atomic():
        row = ToolProposal.objects.filter(id=proposal_id).first()
        return row is not None and _close(row, status, outcome)


def _close(row: ToolProposal, status: ProposalStatus, outcome: str, **more: Any) -> bool:
    """Close an open proposal once, and tell the layer above."""
    values = {"status": status, "outcome": outcome, "closed_at": clock.now()} | more
    rows = ToolProposal.objects.filter(id=row.id, status=ProposalStatus.OPEN)
    if not rows.update(**values):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    _record(str(status), row, outcome=outcome)
    outbox.put(CLOSED, row.id)
    return True


def _record(verb: str, row: ToolProposal, **data: Any) -> None:
    acts.record(
        f"tool_proposal.{verb}",
        target_kind="tool_proposal",
        target_id=row.id,
        target_name=str(row),
        team_id=row.team_id,
        digest=row.digest,
        **data,
    )
