"""Values are judged by the schema as it was written."""

from kernel import schemas


def test_a_bound_beyond_what_a_float_holds_is_still_a_bound() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer", "maximum": 2**63 - 1}}}
    assert not schemas.faults_of_value({"id": 2**62}, schema)
    assert [issue.pointer for issue in schemas.faults_of_value({"id": 2**63}, schema)] == ["/id"]
