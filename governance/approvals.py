"""Approvals: a question about one exact thing, the votes of people, and what closes it.

One mechanism for a run's gate and a parked call. Who asked never decides, an approval covers the
digest of what was shown and nothing else, and it is used once.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from kernel import actor as actors
from kernel import clock, outbox
from kernel.actor import Actor
from kernel.problems import Conflict, Forbidden, Invalid, Issue, NotFound

from governance import audit, verdicts
from governance.models import Approval, Asked, Vote
from governance.models.approvals import ApprovalStatus, AskedKind, Decision, asked_of
from registry.models import Team, User

CLOSED = "approval.closed"
BATCH = 200
MAX_COMMENT = 10_000
MAX_FIELDS = 50

_stands: dict[str, Callable[[Approval], str]] = {}


def stands_by(kind: str, why_not: Callable[[Approval], str]) -> None:
    """How this kind of question tells why approving what was shown would do nothing any more; ""
    where it would do what it says."""
    _stands[kind] = why_not


class NotAsked(Forbidden):
    """Somebody votes who isn't asked, or who asked."""


class Closed(Conflict):
    """The question is decided, withdrawn or too old."""


def open(
    *,
    kind: str,
    subject_kind: str,
    subject_id: UUID,
    team_id: UUID,
    title: str,
    question: str,
    shown: dict[str, Any],
    digest: str,
    requester: Actor,
    reviewers: Mapping[str, Any],
    quorum: int = 1,
    allow_changes: bool = False,
    deadline: datetime | None = None,
) -> Approval:
    """Put a question to `reviewers` (see Approval); an empty one means the role reviewer.

    One question at a time is open about a subject: the same one again is the one that there is,
    another raises Conflict. Raises Invalid where nobody could be asked.
    """
    approval = Approval(
        kind=kind,
        subject_kind=subject_kind,
        subject_id=subject_id,
        team_id=team_id,
        title=title[:300],
        question=question,
        shown=shown,
        digest=digest,
        reviewers=dict(reviewers) or {"role": actors.REVIEWER},
        quorum=quorum,
        allow_changes=allow_changes,
        deadline=deadline,
    )
    return _ask(approval, requester)


def _ask(approval: Approval, requester: Actor) -> Approval:
    approval.requester_kind, approval.requester_id = requester.kind, requester.id
    approval.requester_name, approval.requester_for = requester.name, requester.on_behalf_of
    groups = verdicts.groups_of(approval.reviewers, approval.quorum)
    _require_known(groups)
    with transaction.atomic():
        existing = _open_about(approval)
        if existing is not None:
            return existing
        approval.save(force_insert=True)
        Asked.objects.bulk_create(
            [Asked(approval=approval, kind=kind, name=name) for kind, name in _rows(groups)]
        )
        asked, deadline = approval.reviewers, approval.deadline
        _record("approval.opened", approval, reviewers=asked, deadline=deadline)
    return approval


def _require_known(groups: Iterable[Mapping[str, Any]]) -> None:
    """A team or person that doesn't exist would leave the question unanswered for ever."""
    rows = _rows(groups)
    teams = {name for kind, name in rows if kind == AskedKind.TEAM}
    users = {name for kind, name in rows if kind == AskedKind.USER}
    known_teams = set(Team.objects.filter(name__in=teams).values_list("name", flat=True))
    active = User.objects.filter(username__in=users, is_active=True)
    known_users = set(active.values_list("username", flat=True))
    issues = [
        Issue("/reviewers/team", f"there is no team {name!r}") for name in teams - known_teams
    ]
    if users and not known_users:
        issues.append(Issue("/reviewers/users", f"none is known: {', '.join(sorted(users))}"))
    if issues:
        raise Invalid("Nobody could answer this question.", errors=tuple(issues))


def _rows(groups: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    found = set()
    for group in groups:
        found |= {(str(AskedKind.USER), name) for name in group.get("users", ())}
        for kind in (AskedKind.ROLE, AskedKind.TEAM):
            if group.get(kind):
                found.add((str(kind), group[kind]))
    return sorted(found)


def _open_about(asked: Approval) -> Approval | None:
    found: Approval | None = Approval.objects.filter(
        subject_kind=asked.subject_kind, subject_id=asked.subject_id, status=ApprovalStatus.OPEN
    ).first()
    if found is not None and found.digest != asked.digest:
        raise Conflict(
            f"Another question about this {asked.subject_kind} is open. Answer or cancel it first: "
            f"/approvals/{found.id}/"
        )
    return found


def visible(actor: Actor) -> QuerySet[Approval]:
    """What the actor may read: the team's, their own, what they are asked; for auditors and the
    platform team all."""
    rows: QuerySet[Approval] = Approval.objects.visible_to(actor)
    return rows


def waiting_for(actor: Actor) -> QuerySet[Approval]:
    """The open questions that wait for this person's vote, the oldest first."""
    asked = Asked.objects.filter(asked_of(actor)).values("approval_id")
    rows = Approval.objects.filter(status=ApprovalStatus.OPEN, id__in=asked)
    rows = rows.exclude(votes__user_id=actor.id).exclude(requester_id=actor.id)
    if actor.kind == "user":
        rows = rows.exclude(requester_for=actor.reference)
    return rows.order_by("created_at")


def may_vote(approval: Approval, actor: Actor) -> bool:
    """Whether a vote of this actor would count now."""
    return (
        approval.status == ApprovalStatus.OPEN
        and not is_late(approval, clock.now())
        and refusal(approval, actor) is None
        and not approval.votes.filter(user_name=actor.name).exists()
    )


def is_late(approval: Approval, at: datetime) -> bool:
    return approval.deadline is not None and approval.deadline <= at


def refusal(approval: Approval, actor: Actor) -> str | None:
    """Why this actor may not vote here; None where they may."""
    if actor.kind != "user":
        return "Approvals are decided by people; an agent has no vote."
    if actor.id == approval.requester_id or approval.requester_for == actor.reference:
        return "You asked for this, so somebody else decides it."
    if not Asked.objects.filter(asked_of(actor), approval=approval).exists():
        return f"You may read this, but you aren't asked. Asked: {told(approval)}."
    return None


def told(approval: Approval) -> str:
    """Who is asked, for people to read."""
    words = {"role": "role", "team": "team", "user": "person"}
    rows = _rows(verdicts.groups_of(approval.reviewers, approval.quorum))
    return ", ".join(f"{words[kind]} {name}" for kind, name in rows)


def vote(
    approval_id: UUID,
    *,
    by: User,
    decision: str,
    comment: str,
    fields: dict[str, Any] | None = None,
    seen: str | None = None,
) -> Approval:
    """Cast one person's vote, and close the question where that decides it. `seen` is the digest of
    what the person was shown; None where they don't say.

    1. what the person can't see isn't there (NotFound);
    2. who isn't asked, or who asked, has no vote (NotAsked);
    3. a closed question and a second vote are refused (Closed, Conflict);
    4. an answer that doesn't fit is refused (Invalid), and one about something else than what is
       asked, or an approval of what doesn't stand any more (Conflict);
    5. one reject or one request for changes decides; approvals decide once every group's quorum is
       reached.
    """
    actor = by.actor
    with transaction.atomic():
        # Locked, so that two last votes at once can't each miss the other.
        if not visible(actor).filter(id=approval_id).exists():
            raise NotFound("There is no such approval, or it isn't visible to you.")
        approval: Approval = Approval.objects.select_for_update().get(id=approval_id)
        _require_votable(approval, actor)
        answer = _answer(approval, decision, comment, fields or {})
        if seen is not None:
            _require_as_seen(approval, decision, seen)
        _cast(approval, by, answer)
        with actors.acting(actor):
            _record("approval.voted", approval, decision=decision, comment=answer.comment)
            _decide(approval, answer)
    return approval


def _require_votable(approval: Approval, actor: Actor) -> None:
    refused = refusal(approval, actor)
    if refused is not None:
        raise NotAsked(refused)
    if approval.status != ApprovalStatus.OPEN:
        raise Closed(f"This was closed as {approval.status}; no more votes are taken.")
    if is_late(approval, clock.now()):
        raise Closed("The deadline is over; no more votes are taken.")


def _require_as_seen(approval: Approval, decision: str, seen: str) -> None:
    if seen != approval.digest:
        raise Conflict("What you were shown isn't what is asked here. Look at it again.")
    why_not = _stands.get(approval.kind)
    told = why_not(approval) if why_not and decision == Decision.APPROVE else ""
    if told:
        raise Conflict(f"Approving this would do nothing any more. {told}")


def _answer(approval: Approval, decision: str, comment: str, fields: dict[str, Any]) -> Vote:
    issues = []
    if decision not in Decision.values:
        issues.append(Issue("/decision", f"write one of {', '.join(Decision.values)}"))
    if decision == Decision.REQUEST_CHANGES and not approval.allow_changes:
        issues.append(Issue("/decision", "changes can't be requested here: approve or reject"))
    if decision == Decision.REQUEST_CHANGES and not comment.strip():
        issues.append(Issue("/comment", "say what should change"))
    if len(comment) > MAX_COMMENT:
        issues.append(Issue("/comment", f"at most {MAX_COMMENT} characters"))
    if len(fields) > MAX_FIELDS:
        issues.append(Issue("/fields", f"at most {MAX_FIELDS} fields"))
    if issues:
        raise Invalid("This vote doesn't fit.", errors=tuple(issues))
    text = comment.strip().replace("\x00", "")
    return Vote(approval=approval, decision=decision, comment=text, fields=fields)


def _cast(approval: Approval, by: User, answer: Vote) -> None:
    answer.user, answer.user_name, answer.created_at = by, by.username, clock.now()
    try:
        with transaction.atomic():
            answer.save()
    except IntegrityError as error:
        raise Conflict("You have voted on this already; a vote stands.") from error


def _decide(approval: Approval, answer: Vote) -> None:
    if answer.decision == Decision.REJECT:
        _close(approval, ApprovalStatus.REJECTED)
    elif answer.decision == Decision.REQUEST_CHANGES:
        _close(approval, ApprovalStatus.CHANGES_REQUESTED)
    elif _is_approved(approval):
        _close(approval, ApprovalStatus.APPROVED)


def _is_approved(approval: Approval) -> bool:
    votes = approval.votes.filter(decision=Decision.APPROVE).select_related("user")
    voters = [each.user.actor for each in votes]
    if len(voters) < approval.quorum:
        return False
    groups = verdicts.groups_of(approval.reviewers, approval.quorum)
    return all(_count(group, voters) >= int(group.get("quorum", 1)) for group in groups)


def _count(group: Mapping[str, Any], voters: Iterable[Actor]) -> int:
    team = Team.objects.filter(name=group["team"]).first() if group.get("team") else None
    return sum(
        group.get("role") in voter.roles
        or voter.name in group.get("users", ())
        or (team is not None and team.id in voter.teams)
        for voter in voters
    )


def _close(approval: Approval, status: str, **data: Any) -> bool:
    """Close an open question once, and tell the layer above."""
    now = clock.now()
    rows = Approval.objects.filter(id=approval.id, status=ApprovalStatus.OPEN)
    if not rows.update(status=status, closed_at=now):
        return False
    approval.status, approval.closed_at = status, now
    _record("approval.closed", approval, status=str(status), **data)
    outbox.put(CLOSED, approval.id)
    return True


def cancel(approval_id: UUID, *, reason: str) -> bool:
    """Withdraw an open question, because what it was about is gone. False where it was closed."""
    with transaction.atomic():
        approval = Approval.objects.filter(id=approval_id).first()
        return approval is not None and _close(approval, ApprovalStatus.CANCELLED, reason=reason)


def expire_due() -> int:
    """Close open questions past their deadline, at most 200 at once. Returns how many closed."""
    due = Approval.objects.filter(status=ApprovalStatus.OPEN, deadline__lte=clock.now())
    return sum(_expire(approval) for approval in due.order_by("created_at")[:BATCH])


def _expire(approval: Approval) -> bool:
    with transaction.atomic():
        return _close(approval, ApprovalStatus.EXPIRED)


def use(approval_id: UUID, digest: str) -> bool:
    """Use the approval for the thing that it was given for, once. False where it was used, isn't
    approved, or was given for something else."""
    with transaction.atomic():
        rows = Approval.objects.filter(
            id=approval_id, digest=digest, status=ApprovalStatus.APPROVED, used_at__isnull=True
        )
        if not rows.update(used_at=clock.now()):
            return False
        _record("approval.used", Approval.objects.get(id=approval_id), digest=digest)
        return True


def fact(approval: Approval) -> dict[str, Any]:
    """The approval as a fact of judging (`Facts.approval`): who gave it, and who was asked."""
    votes = approval.votes.filter(decision=Decision.APPROVE).order_by("id")
    return {
        "id": str(approval.id),
        "approved_by": list(votes.values_list("user_name", flat=True)),
        "asked": {"reviewers": approval.reviewers, "quorum": approval.quorum},
    }


def _record(event: str, approval: Approval, **data: Any) -> None:
    audit.record(
        event,
        target_kind="approval",
        target_id=approval.id,
        target_name=approval.title,
        team_id=approval.team_id,
        kind=approval.kind,
        subject=f"{approval.subject_kind}:{approval.subject_id}",
        **data,
    )
