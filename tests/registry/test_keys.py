from datetime import timedelta

import pytest
from django.test import Client
from kernel import clock

from registry import keys
from registry.models import Credential
from tests import factories

pytestmark = pytest.mark.django_db


def status(api, key):
    return api(key).get("/api/v1/tools/").status_code


def test_a_key_is_kept_as_a_digest_only(agent):
    new = keys.issue(agent)
    stored = Credential.objects.get()
    assert new.text not in str(stored.__dict__)
    assert stored.digest == keys.digest(new.text)


def test_a_live_key_is_let_in(api, key):
    assert status(api, key) == 200


def test_a_wrong_secret_is_refused(api, key):
    assert status(api, key[:-1] + ("a" if key[-1] != "a" else "b")) == 401


@pytest.mark.parametrize("text", ["", "gh_", "gh_x_y", "hello", "gh_é_ü"])
def test_what_is_no_key_is_refused(api, db, text):
    answer = Client().get("/api/v1/tools/", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_expired_key_is_refused(api, agent):
    new = keys.issue(agent, expires_at=clock.now() + timedelta(hours=1))
    assert status(api, new.text) == 200
    with clock.shifted(timedelta(hours=2)):
        answer = api(new.text).get("/api/v1/tools/")
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


def test_a_revoked_key_is_refused(api, agent):
    new = keys.issue(agent)
    assert keys.revoke(new.credential)
    assert not keys.revoke(new.credential)
    assert status(api, new.text) == 401


def test_a_tasks_key_sees_the_team_that_the_task_is_for(api, agent, other_team):
    factories.make_tool("theirs", team=other_team, is_shared=False)
    own = keys.issue(agent).text
    for_them = keys.issue(agent, for_team_id=other_team.id).text
    assert api(own).get("/api/v1/tools/theirs/").status_code == 404
    assert api(for_them).get("/api/v1/tools/theirs/").status_code == 200


def test_a_use_is_noted_at_most_once_a_minute(api, agent, django_assert_num_queries):
    new = keys.issue(agent)
    status(api, new.text)
    first = Credential.objects.get().last_used_at
    status(api, new.text)
    assert Credential.objects.get().last_used_at == first
    with clock.shifted(timedelta(minutes=2)):
        status(api, new.text)
    assert Credential.objects.get().last_used_at > first
