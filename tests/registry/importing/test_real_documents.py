"""A sample of real documents; `benchmarks/imports.py` takes them all."""

from collections import Counter
from pathlib import Path

import pytest
from kernel import schemas

from benchmarks import bfcl
from registry.importing import functions, openapi

DATA = Path(__file__).parents[2] / "data"
DOCUMENTS = sorted((DATA / "openapi").glob("*.json"))


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.stem)
def test_a_real_document_becomes_tools_with_valid_schemas(file: Path) -> None:
    imported = openapi.read_text(file.read_bytes())
    assert imported.drafts
    names = [draft.name for draft in imported.drafts]
    assert len(set(names)) == len(names)
    for draft in imported.drafts:
        entry = draft.entry
        assert not schemas.faults_of_schema(entry["parameters"])
        arguments = entry["parameters"]["properties"]
        transport = entry["executor_config"]["parameters"]
        body = entry["executor_config"].get("body", {}).get("argument")
        assert set(arguments) == {*transport, *([body] if body else [])}
        places = {each["name"] for each in transport.values() if each["in"] == "path"}
        assert all("{" + place + "}" in entry["executor_config"]["url"] for place in places)
        assert draft.unready or entry["executor_config"]["hosts"]


def test_what_real_documents_leave_out_is_told() -> None:
    skipped = {
        each.reason
        for file in DOCUMENTS
        for each in openapi.read_text(file.read_bytes()).skipped
        if not each.part
    }
    assert skipped == {
        "no tool makes such requests",
        "its path has a place inside of the query",
    }


def test_right_calls_fit_the_schemas_that_were_imported() -> None:
    counts: Counter[str] = Counter()
    misfits = []
    for case in bfcl.cases(DATA / "bfcl"):
        imported = functions.read_openai(case.functions, source=case.name)
        assert not [each for each in imported.skipped if not each.part]
        by_name = {draft.entry["origin"]["name"]: draft for draft in imported.drafts}
        for name, arguments in case.calls:
            counts["calls"] += 1
            parameters = by_name[name].entry["parameters"]
            for fault in schemas.faults_of_value(arguments, parameters)[:1]:
                misfits.append((case.name, name, fault.pointer))
        counts["functions"] += len(imported.drafts)
    assert counts["calls"] > 90 and counts["functions"] > 150
    # Its right answer names a variable, as text, where the schema asks for an object.
    assert misfits == [("simple_javascript_5", "manageReactState", "/store/initialState")]
