"""What the registry does is in the audit log, in the same transaction."""

import pytest
from django.db import transaction
from kernel import acts

from governance.models import AuditEvent
from registry import keys
from registry.models import Agent, Credential
from tests import factories

pytestmark = pytest.mark.django_db


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("event", flat=True))


def test_a_publication_is_recorded_with_its_checksum(platform_team):
    tool = factories.make_tool()
    line = AuditEvent.objects.get(event="tool.published")
    assert line.target_name == "execute_python"
    assert line.data["checksum"] == tool.live_version.checksum


def test_a_key_is_recorded_when_it_is_issued_and_when_it_ends(agent: Agent):
    new = keys.issue(agent)
    keys.revoke(new.credential)
    keys.revoke(new.credential)
    told = [event for event in events() if event.startswith("credential.")]
    assert told == ["credential.issued", "credential.revoked"]
    assert new.text not in str(list(AuditEvent.objects.values_list("data", flat=True)))


def test_the_keys_of_a_task_end_with_it(agent: Agent):
    task_id = agent.id
    text = keys.issue(agent, task_id=task_id).text
    keys.issue(agent)
    assert keys.revoke_for_task(task_id) == 1
    assert keys.find(text) is None
    assert Credential.objects.filter(revoked_at__isnull=True).count() == 1


def test_an_act_that_nobody_records_does_not_happen(agent: Agent, monkeypatch):
    monkeypatch.setattr(acts, "_recorders", [])
    with pytest.raises(acts.NobodyRecords), transaction.atomic():
        keys.issue(agent)
    assert not Credential.objects.exists()
