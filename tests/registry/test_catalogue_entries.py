"""The registry's own kinds in a catalogue; the article's entry first of all."""

from pathlib import Path

import pytest
import yaml
from django.conf import settings
from kernel.catalogue import CatalogueError

from registry import catalogue
from registry.models import Tool
from tests import factories

pytestmark = pytest.mark.django_db

STARTER = Path(settings.ROOT) / "platform" / "starter" / "catalogue"
ARTICLE_ENTRY = {
    "name": "execute_python",
    "description": "Execute Python code in a sandboxed environment",
    "parameters": {
        "code": "The Python code to execute (string, required)",
        "timeout": "Max execution time in seconds (int, default 30)",
        "packages": "List of pip packages to install (array)",
    },
    "permissions_required": ["code_execution"],
    "audit": True,
    "cost_per_call": 0.01,
    "owner": "platform-team",
    "version": "1.2",
    "deprecated": False,
}


@pytest.fixture
def entry(platform_team):
    factories.make_permission("code_execution")
    return yaml.safe_load((STARTER / "tools" / "execute_python.yaml").read_text())


def test_the_articles_entry_stands_in_the_starter_catalogue_word_for_word(entry):
    assert {name: entry[name] for name in ARTICLE_ENTRY} == ARTICLE_ENTRY
    sandbox = entry["sandbox_config"]
    assert (sandbox["cpu_limit"], sandbox["memory_limit"], sandbox["network"]) == (2, "4GB", "none")


def test_shorthand_parameters_become_a_schema(entry):
    assert catalogue.apply_tool(entry).act == "publish"
    contract = Tool.objects.get(name="execute_python").live_version.contract
    assert contract["version"] == "1.2"
    assert contract["cost_per_call"] == "0.01"
    assert contract["parameters"]["required"] == ["code"]
    properties = contract["parameters"]["properties"]
    assert properties["code"] == {"type": "string", "description": "The Python code to execute"}
    assert properties["timeout"]["default"] == 30
    assert properties["packages"]["type"] == "array"


def test_applying_an_entry_twice_changes_nothing(entry):
    catalogue.apply_tool(entry)
    assert catalogue.apply_tool(entry).act == "unchanged"
    assert Tool.objects.get().versions.count() == 1


def test_an_export_applies_as_unchanged(entry):
    catalogue.apply_tool(entry)
    [exported] = catalogue.export_tools()
    assert catalogue.apply_tool(exported).act == "unchanged"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"colour": "red"}, "/colour"),
        ({"owner": "nobody"}, "/owner"),
        ({"permissions_required": ["flying"]}, "/permissions_required/0"),
        ({"parameters": {"code": "The code"}}, "/parameters/code"),
        ({"parameters": {"code": "The code (strong)", "n": "(int)"}}, "/parameters/code"),
        ({"cost_per_call": "free"}, "/cost_per_call"),
        ({"version": "one"}, "/version"),
        ({"executor": "magic"}, "/executor"),
    ],
)
def test_a_fault_in_an_entry_is_named_with_its_place(entry, change, place):
    with pytest.raises(CatalogueError) as refused:
        catalogue.apply_tool(entry | change)
    assert place in [issue.pointer for issue in refused.value.issues]
