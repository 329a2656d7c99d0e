"""Who was given a secret is on record, but seldom: a tool is called a thousand times an hour."""

from collections.abc import Iterable
from datetime import timedelta

from governance import audit
from registry.models import UpstreamServer
from registry.secrets import Holder

SELDOM = timedelta(hours=1)


def record(names: Iterable[str], holder: Holder) -> None:
    """The tool or server was given these secrets."""
    noun = "server" if isinstance(holder, UpstreamServer) else "tool"
    for name in sorted(names):
        audit.record_seldom(
            "secret.used",
            key=f"{holder.pk}:{name}",
            every=SELDOM,
            target_kind="secret",
            target_name=name,
            team_id=holder.team_id,
            **{noun: holder.name},
        )
