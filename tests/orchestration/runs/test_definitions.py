"""A definition that can't be used is refused with the place of every fault."""

import pytest
from kernel.actor import SYSTEM
from kernel.expressions import Variables
from kernel.problems import Conflict, Invalid

from orchestration import definitions, workflows
from orchestration.models import Workflow, WorkflowVersion
from registry.models import Agent, Team
from tests.orchestration.runs import stories

GOOD = stories.SOURCE


def faults(source: str) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        definitions.parse(source)
    return {issue.pointer: issue.message for issue in refused.value.errors}


def test_a_good_definition_says_its_steps_in_order() -> None:
    definition = definitions.parse(GOOD)
    assert [(node.name, node.kind, node.needs) for node in definition.steps] == [
        ("write", "agent", ()),
        ("check", "agent", ("write",)),
        ("review", "gate", ("check",)),
        ("publish", "agent", ("review",)),
    ]
    assert definitions.of_document(definition.document) == definition


@pytest.mark.parametrize(
    ("old", "new", "pointer", "message"),
    [
        ("when: steps.review", "when: (steps.review", "/steps/3/when", "doesn't compile"),
        ('"approve"', "approve", "/steps/3/when", "names `approve`, which isn't there"),
        (
            "steps.review.output",
            "steps.revue.output",
            "/steps/3/when",
            "'revue', which isn't there",
        ),
        ("steps.review.output", "steps.publish.output", "/steps/3/when", "doesn't come before"),
        ("steps.review.output", "steps.review.outptu", "/steps/3/when", "a step has"),
        ("steps.review.output", "run.nobody", "/steps/3/when", "names `run.nobody`"),
        ("${ input.topic }", "${ input.topics }", "/steps/0/task", "names `input.topics`"),
        ("${ input.topic }", "${ input.topic", "/steps/0/task", "without its `}`"),
        (
            "back_to: write",
            "back_to: publish",
            "/steps/2/gate/on_request_changes/back_to",
            "before",
        ),
        ("name: check", "name: write", "/steps/1/name", "is taken"),
        ("task: Check it", "tsak: Check it", "/steps/1/tsak", "unknown key"),
        ('version: "1.0"', "version: 1.0", "/version", "put quotes around"),
        ('version: "1.0"', 'version: "one"', "/version", "MAJOR.MINOR"),
        ("agent: checker\n", "agent: checker\n    needs: [nobody]\n", "/steps/1/needs", "no step"),
        ("agent: writer\n", "agent: writer\n    needs: [publish]\n", "/steps", "cycle: write → "),
        ("topic: {type: string}", "topic: {type: strin}", "/input/properties/topic/type", "strin"),
        ("attempts: 3", "attempts: lots", "/steps/0/retry/attempts", "whole number"),
    ],
)
def test_each_fault_is_named_with_its_place(old: str, new: str, pointer: str, message: str) -> None:
    found = faults(GOOD.replace(old, new, 1))
    assert message in found[pointer], found
    assert found[pointer].startswith("line ")


def test_broken_yaml_is_named_with_its_line() -> None:
    assert faults("name: x\nsteps: [\n  {name: a\n")[""].startswith("line ")


@pytest.mark.parametrize(
    "source",
    [
        "a: &a [x]\nb: [*a, *a]",
        "a: !!python/object/apply:os.system [id]",
        "[" * 100_000,
        "x: " + "y" * (1024 * 1024),
        "",
        "--- a\n--- b",
        "a: \x00",
        "? [1, 2]\n: x",
        "a: .nan",
        "<<: {a: 1}",
        "- a\n- b",
    ],
)
def test_what_could_hurt_is_refused_and_not_unfolded(source: str) -> None:
    assert faults(source)


def test_a_key_that_stands_twice_is_refused() -> None:
    assert "twice" in faults(GOOD + '\nversion: "2.0"\n')["/version"]


def test_expressions_keep_their_type_and_text_is_filled_in() -> None:
    values = {"input": {"n": 3, "names": ["a"], "on": True}, "steps": {}, "run": {}}
    variables = Variables(values)
    given = {
        "n": "${ input.n + 1 }",
        "names": "${ input.names }",
        "text": "n=${ input.n }, ${ input.names } $${x}",
        "deep": [{"on": "${ input.on }"}],
        "braces": "${ {'a': '}'}['a'] }",
    }
    assert definitions.render(given, variables) == {
        "n": 4,
        "names": ["a"],
        "text": 'n=3, ["a"] ${x}',
        "deep": [{"on": True}],
        "braces": "}",
    }


@pytest.mark.django_db
def test_what_a_definition_names_must_exist(team: Team) -> None:
    source = GOOD.replace("name: refactor\n", "name: refactor\nteam: nobody\n").replace(
        "role: reviewer", "users: [ghost]"
    )
    source += "\n"
    source = source.replace("    task: Check it", "    permissions: [flying]\n    task: Check it")
    with pytest.raises(Invalid) as refused:
        workflows.validate(source, by=SYSTEM)
    found = {issue.pointer: issue.message for issue in refused.value.errors}
    assert "no team 'nobody'" in found["/team"]
    assert "no agent 'writer'" in found["/steps/0/agent"]
    assert "no permission 'flying'" in found["/steps/1/permissions"]
    assert "no person 'ghost'" in found["/steps/2/gate/reviewers/users"]


@pytest.mark.django_db
def test_an_unknown_tool_is_refused(team: Team, agents: dict[str, Agent]) -> None:
    source = "name: x\nversion: '1.0'\nsteps:\n  - {name: a, tool: nothing, as: writer}\n"
    with pytest.raises(Invalid) as refused:
        workflows.validate(source, by=SYSTEM)
    assert refused.value.errors[0].pointer == "/steps/0/tool"


@pytest.mark.django_db
def test_a_published_version_never_changes(workflow: Workflow, team: Team) -> None:
    assert workflows.publish(workflow, by=SYSTEM) == workflow.live_version
    workflow.source = GOOD.replace("Check it", "Check it well")
    workflow.save()
    with pytest.raises(Conflict, match="Raise the version"):
        workflows.publish(workflow, by=SYSTEM)
    workflow.source = workflow.source.replace('"1.0"', '"1.1"')
    workflow.save()
    assert workflows.publish(workflow, by=SYSTEM).version == "1.1"
    assert WorkflowVersion.objects.filter(workflow=workflow).count() == 2


@pytest.mark.django_db
def test_nothing_is_written_of_a_definition_that_cant_be_used(team: Team) -> None:
    with pytest.raises(Invalid):
        stories.install(GOOD, team)
    assert not Workflow.objects.exists()
