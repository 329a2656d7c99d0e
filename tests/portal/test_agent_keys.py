"""An operator gives an agent a key, which works, is shown once and stands in the audit log."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from governance.models import AuditEvent
from registry.models import Agent, Credential

pytestmark = pytest.mark.django_db


def issue(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("agents", "key", *words, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_the_key_opens_the_doors(agent: Agent, api: Callable[[Any], APIClient]) -> None:
    shown = issue(agent.name, "--days", "1")
    assert api(shown["key"]).get("/api/v1/tools/").status_code == 200
    assert shown["expires_at"] is not None


def test_who_issued_it_is_on_record_and_the_key_is_not(agent: Agent) -> None:
    shown = issue(agent.name)
    event = AuditEvent.objects.get(event="credential.issued")
    assert event.target_name == agent.name
    assert event.data["prefix"] == Credential.objects.get().prefix
    assert shown["key"] not in json.dumps(event.data)


def test_an_agent_that_is_not_there_is_named(agent: Agent) -> None:
    with pytest.raises(CommandError, match=r"no agent 'nobody'. There are: worker"):
        issue("nobody")
