import pytest
from django.db import IntegrityError, transaction
from kernel.problems import Invalid

from registry import contracts, publishing
from registry.models import ToolVersion
from tests import factories

pytestmark = pytest.mark.django_db


def places(refused: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [issue.pointer for issue in refused.value.errors]


def test_publishing_twice_is_one_version():
    tool = factories.make_tool()
    assert publishing.publish(tool, by="test").id == tool.live_version_id
    assert tool.versions.count() == 1


def test_another_contract_needs_another_number():
    tool = factories.make_tool()
    tool.description = "Does something else."
    with pytest.raises(publishing.AlreadyPublished, match="higher number"):
        publishing.publish(tool, by="test")
    assert tool.versions.count() == 1


def test_a_lower_number_than_the_live_one_is_refused():
    tool = factories.make_tool(version="2.0")
    tool.version, tool.description = "1.9", "Older."
    with pytest.raises(publishing.AlreadyPublished, match=r"below the live version 2\.0"):
        publishing.publish(tool, by="test")


def test_a_published_version_cannot_be_saved_again():
    version = factories.make_tool().live_version
    version.contract = {}
    with pytest.raises(TypeError, match="can't change"):
        version.save()


def test_the_database_refuses_a_second_version_of_the_same_number():
    tool = factories.make_tool()
    live = tool.live_version
    with pytest.raises(IntegrityError), transaction.atomic():
        ToolVersion.objects.create(
            tool=tool,
            version="1.0.0",
            sort_key=live.sort_key,
            contract={},
            checksum="x",
            published_by="test",
        )


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"parameters": {"type": "objekt"}}, "/parameters/type"),
        (
            {"parameters": {"type": "object", "properties": {"a": {"type": "int"}}}},
            "/parameters/properties/a/type",
        ),
        ({"parameters": {"type": "string"}}, "/parameters/type"),
        ({"parameters": {"type": "object", "$ref": "https://example.org/x"}}, "/parameters"),
        ({"result_schema": {"required": "a"}}, "/result_schema/required"),
        ({"sandbox_config": {"memory_limit": "much"}}, "/sandbox_config/memory_limit"),
        ({"sandbox_config": {"cpu_limit": 0}}, "/sandbox_config/cpu_limit"),
        ({"sandbox_config": {"colour": 1}}, "/sandbox_config/colour"),
        ({"version": "latest"}, "/version"),
        ({"executor": "command"}, "/executor_config/argv"),
        ({"examples": [{"arguments": {"timeout": 3}}]}, "/examples/0/arguments"),
    ],
)
def test_a_fault_is_named_with_its_place(fields, place):
    tool = factories.make_tool()
    for name, value in fields.items():
        setattr(tool, name, value)
    with pytest.raises(Invalid) as refused:
        publishing.publish(tool, by="test")
    assert place in places(refused)
    assert tool.versions.count() == 1


def test_limits_are_in_canonical_units():
    version = factories.make_tool(
        sandbox_config={"memory_limit": "4GB", "cpu_limit": 2}
    ).live_version
    limits = contracts.Contract.of(version).limits
    assert limits["memory"] == 4 * 2**30
    assert limits["cpu"] == 2
    assert limits["timeout"] == 30
    assert limits["network"] == "none"
