"""Tokens of claimed tasks: `gt_<task id>_<secret>`, returned once, kept as a keyed digest."""

import hmac
import secrets
from uuid import UUID

from kernel.problems import Conflict

from orchestration.models import AgentTask
from orchestration.models.tasks import TaskStatus
from registry import keys

MARK = "gt"


class StaleToken(Conflict):
    """The token isn't the one of the task's live claim: somebody else has the task, or it ended."""

    reason = "stale_token"


def make(task_id: UUID) -> str:
    return f"{MARK}_{task_id.hex}_{secrets.token_urlsafe(24)}"


def digest(token: str) -> str:
    return keys.digest(token)


def fits(task: AgentTask, token: str) -> bool:
    """Whether this was the token of the task's last claim."""
    if not token or not token.isascii() or not task.token_digest:
        return False
    return hmac.compare_digest(task.token_digest, digest(token))


def live(token: str) -> AgentTask | None:
    """The claimed task that this token holds right now."""
    parts = token.split("_", 2)
    if len(parts) != 3 or parts[0] != MARK:
        return None
    try:
        task_id = UUID(hex=parts[1])
    except ValueError:
        return None
    task = AgentTask.objects.filter(id=task_id, status=TaskStatus.CLAIMED).first()
    return task if task is not None and fits(task, token) else None
