"""Deprecated, sunset, removed, and back: the rules, the record, and what callers hear."""

from datetime import timedelta

import pytest
from kernel import clock

from governance.models import AuditEvent
from registry import lifecycle, publishing
from registry.models import Tool
from tests import factories

pytestmark = pytest.mark.django_db
SOON = "2999-01-01T00:00:00Z"


@pytest.fixture
def tool(team):
    return factories.make_tool("old", team=team)


@pytest.fixture
def newer(team):
    return factories.make_tool("newer", team=team)


def act(api, who, name, body=None, tool="old"):
    return api(who).post(f"/api/v1/tools/{tool}/lifecycle/{name}/", body or {}, format="json")


def call(api, key, **body):
    return api(key).post(
        "/api/v1/tools/old/call/", {"arguments": {"code": "print(1)"}} | body, format="json"
    )


def events():
    return list(
        AuditEvent.objects.filter(target_kind="tool", event__startswith="tool.")
        .exclude(event__in=["tool.created", "tool.changed", "tool.published"])
        .order_by("id")
        .values_list("event", flat=True)
    )


def test_from_published_to_removed_and_back(api, alice, key, tool, newer):
    body = {"message": "It is slow.", "replacement": "newer", "sunset_at": SOON}
    assert act(api, alice, "deprecate", body).json()["stage"] == "deprecated"
    answer = call(api, key)
    assert answer.status_code == 200
    assert answer["Deprecation"].startswith("@")
    assert answer["Sunset"] == "Tue, 01 Jan 2999 00:00:00 GMT"
    assert answer["Link"] == '</api/v1/tools/newer/>; rel="successor-version"'
    assert answer.json()["warnings"] == [
        "Deprecated: old 1.0 is deprecated, and ends on 2999-01-01. Use newer instead. It is slow."
    ]
    read = api(key).get("/api/v1/tools/old/")
    assert read["Sunset"] == answer["Sunset"]
    assert read.json()["warnings"] == answer.json()["warnings"]

    past = {"sunset_at": "2020-01-01T00:00:00Z"}
    assert act(api, alice, "sunset", past).json()["reason"] == "confirmation_needed"
    assert call(api, key).status_code == 200
    assert act(api, alice, "sunset", past | {"confirmed": True}).json()["stage"] == "sunset"
    gone = call(api, key)
    assert (gone.status_code, gone.json()["reason"]) == (410, "tool_sunset")
    assert gone.json()["replacement"] == "newer"

    assert act(api, alice, "remove").json()["stage"] == "removed"
    listed = api(key).get("/api/v1/tools/").json()["results"]
    assert [row["name"] for row in listed] == ["newer"]
    assert call(api, key).status_code == 410
    history = api(key).get("/api/v1/tools/old/versions/").json()["results"]
    assert [row["version"] for row in history] == ["1.0"]

    assert act(api, alice, "undo").status_code == 409
    assert act(api, alice, "restore").json()["stage"] == "sunset"
    assert act(api, alice, "undo").json()["stage"] == "published"
    assert "Deprecation" not in call(api, key)
    assert events() == [
        "tool.deprecated", "tool.sunset_set", "tool.removed", "tool.restored", "tool.undeprecated",
    ]  # fmt: skip


def test_each_act_twice_or_out_of_order_is_refused(api, alice, tool):
    assert act(api, alice, "undo").status_code == 409
    assert act(api, alice, "remove").status_code == 409
    assert act(api, alice, "restore").status_code == 409
    assert act(api, alice, "sunset", {"sunset_at": SOON}).status_code == 422
    assert act(api, alice, "explode").status_code == 404
    assert events() == []


@pytest.mark.parametrize("name", ["deprecate", "sunset", "undo", "remove", "restore", "retire"])
def test_people_of_the_owning_team_alone_decide(api, tool, name, bob, charlie, key, root):
    assert act(api, bob, name).status_code != 403
    assert act(api, root, name).status_code != 403
    assert act(api, charlie, name).status_code == 403
    assert act(api, key, name).status_code == 403
    assert act(api, None, name).status_code == 401


def test_a_private_tool_is_not_there_for_outsiders(api, tool, charlie, other_key):
    Tool.objects.update(is_shared=False)
    for who in (charlie, other_key):
        assert act(api, who, "deprecate").status_code == 404
        for place in ("lifecycle", "versions", "diff", "aliases", "publication"):
            assert api(who).get(f"/api/v1/tools/old/{place}/").status_code == 404


@pytest.mark.parametrize("place", ["lifecycle", "versions", "diff", "aliases", "publication"])
def test_who_reads_what(api, tool, place, alice, bob, charlie):
    assert api(alice).get(f"/api/v1/tools/old/{place}/").status_code == 200
    assert api(bob).get(f"/api/v1/tools/old/{place}/").status_code == 200
    expected = {"diff": 422, "publication": 403}.get(place, 200)
    assert api(charlie).get(f"/api/v1/tools/old/{place}/").status_code == expected
    assert api(None).get(f"/api/v1/tools/old/{place}/").status_code == 401


def test_a_replacement_has_to_lead_somewhere(api, alice, tool, newer):
    def refused(name):
        answer = act(api, alice, "deprecate", {"replacement": name})
        assert answer.json()["errors"][0]["pointer"] == "/replacement"
        return answer.json()["detail"]

    assert "no tool 'nothing'" in refused("nothing")
    assert "leads back" in refused("old")
    lifecycle.deprecate(newer, replacement=tool)
    assert "leads back" in refused("newer")
    lifecycle.undo(newer)
    lifecycle.deprecate(newer, sunset_at=clock.now() - timedelta(1), confirmed=True)
    assert "past its sunset" in refused("newer")
    lifecycle.undo(newer)
    Tool.objects.filter(pk=newer.pk).update(is_shared=False)
    assert "isn't shared" in refused("newer")


def test_versions_are_retired_while_the_tool_goes_on(api, alice, key, tool):
    tool.version, tool.cost_micros = "2.0", 90_000
    publishing.publish(tool, by="test")
    answer = act(api, alice, "retire", {"versions": "2.x"})
    assert "live version 2.0 is within" in answer.json()["detail"]
    assert act(api, alice, "retire", {"versions": "7.x"}).status_code == 422
    body = {"versions": "1.x", "message": "Give it up.", "sunset_at": SOON}
    assert act(api, alice, "retire", body).json()["stage"] == "published"
    old, live = call(api, key, version="1.0"), call(api, key)
    assert old.json()["warnings"] == [
        "Deprecated: old 1.0 is deprecated, and ends on 2999-01-01. Use old 2.0 instead. "
        "Give it up."
    ]
    assert "Deprecation" in old
    assert "Deprecation" not in live
    ended = body | {"sunset_at": "2020-01-01T00:00:00Z"}
    assert act(api, alice, "retire", ended).status_code == 409
    assert act(api, alice, "retire", ended | {"confirmed": True}).status_code == 200
    assert call(api, key, version="1.0").json()["replacement"] == "old 2.0"
    assert call(api, key, version="1.0").status_code == 410
    assert call(api, key).status_code == 200
    assert call(api, key, version="*").json()["version"] == "2.0"
    assert act(api, alice, "reinstate", {"versions": "1.x"}).status_code == 200
    assert act(api, alice, "reinstate", {"versions": "1.x"}).status_code == 409
    assert call(api, key, version="1.0").status_code == 200


def test_a_deprecated_tool_is_published_under_the_number_that_it_has(tool):
    lifecycle.deprecate(tool, message="Soon gone.")
    assert publishing.publish(tool, by="test").version == "1.0"
    assert tool.versions.count() == 1


def test_a_diff_tells_what_it_means_and_what_number_is_honest(api, alice, tool, charlie):
    tool.parameters = tool.parameters | {"required": ["code", "more"]}
    tool.save()
    found = api(alice).get("/api/v1/tools/old/diff/").json()
    assert (found["from"], found["to"], found["required_version"]) == ("1.0", "draft", "2.0")
    assert found["breaking"] is True
    assert found["differences"][0]["pointer"] == "/parameters/required"
    check = api(alice).get("/api/v1/tools/old/publication/").json()
    assert check["required_version"] == "2.0"
    tool.version = "2.0"
    publishing.publish(tool, by="test")
    between = api(charlie).get("/api/v1/tools/old/diff/?from=1.0&to=2.0").json()
    assert between["differences"] == found["differences"]
    assert api(charlie).get("/api/v1/tools/old/diff/?from=1.0&to=7.0").status_code == 404
