"""The registry's forms: what a person types is judged by the same code that publishes it."""

from typing import Any

from django import forms
from kernel import money
from kernel.forms import DocumentField
from kernel.problems import Invalid
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from registry import contracts, shorthand, validation
from registry.models import Tool

_FIELD = {"cost_per_call": "cost"}
_A_LIST = (list, "Write a list, such as [one, two].")
_AN_OBJECT = (dict, "Write an object, such as {name: value}.")
_EMPTY: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("examples", "tags", "environments"), _A_LIST),
    **dict.fromkeys(("executor_config", "sandbox_config", "retry", "rate_limit"), _AN_OBJECT),
    **dict.fromkeys(("circuit_breaker", "annotations", "origin"), _AN_OBJECT),
}
"""Fields that may be left empty, and what they then are."""


class ToolForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tool's entry. The price is typed in currency units; parameters may be shorthand."""

    parameters = DocumentField(
        rows=14, help_text="JSON Schema of the arguments, or one sentence for each, as YAML."
    )
    result_schema = DocumentField(required=False, help_text="JSON Schema of the result.")
    executor_config = DocumentField(required=False, help_text="What the executor needs.")
    sandbox_config = DocumentField(
        required=False, help_text="cpu_limit, memory_limit, network, timeout, and so on."
    )
    compensation = DocumentField(
        rows=3, required=False, help_text="The call that undoes a call: tool and arguments."
    )
    examples = DocumentField(required=False, help_text="A list of calls: {arguments: …}.")
    retry = DocumentField(
        rows=3, required=False, help_text="For idempotent tools: attempts, backoff, on."
    )
    rate_limit = DocumentField(
        rows=3, required=False, help_text="agent, team, tool, such as {agent: 60/minute}."
    )
    circuit_breaker = DocumentField(
        rows=3, required=False, help_text="failures, within, pause; in seconds."
    )
    annotations = DocumentField(
        rows=3, required=False, help_text="MCP's hints: title, readOnlyHint, and so on."
    )
    environments = DocumentField(
        rows=2, required=False, help_text="A list, such as [staging]; empty means everywhere."
    )
    origin = DocumentField(rows=3, required=False, help_text="Where it was imported from.")
    tags = DocumentField(rows=2, required=False, help_text="A list of words: [code, testing].")
    cost = forms.DecimalField(
        max_digits=16,
        decimal_places=6,
        min_value=0,
        initial=0,
        label="Cost per call",
        widget=UnfoldAdminDecimalFieldWidget(),
    )

    class Meta:
        model = Tool
        exclude = ("cost_micros",)  # noqa: DJ006 - every other field is edited here

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["cost"] = money.from_micros(self.instance.cost_micros)

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc]
        for name, (kind, told) in _EMPTY.items():
            value = self.cleaned_data.get(name)
            if name in self.cleaned_data and not value:
                self.cleaned_data[name] = kind()
            elif value and not isinstance(value, kind):
                self.add_error(name, told)

    def clean_parameters(self) -> Any:
        """Sentences become a schema here, so that the saved entry is always a schema."""
        parameters = self.cleaned_data["parameters"]
        if not shorthand.is_shorthand(parameters):
            return parameters
        try:
            return shorthand.expand(parameters)
        except Invalid as error:
            raise forms.ValidationError(
                [f"{i.pointer}: {i.message}" for i in error.errors]
            ) from error

    def clean(self) -> dict[str, Any]:
        """Every fault stands at its field, with its place inside of the field's document."""
        values: dict[str, Any] = super().clean() or {}
        if self.errors:
            return values
        self.instance.cost_micros = money.to_micros(values["cost"])
        for issue in validation.faults(self._document(values)):
            name, _, rest = issue.pointer.lstrip("/").partition("/")
            field = _FIELD.get(name, name)
            message = f"/{rest}: {issue.message}" if rest else issue.message
            self.add_error(field if field in self.fields else None, message)
        return values

    def _document(self, values: dict[str, Any]) -> dict[str, Any]:
        # What somebody may not edit isn't among the values.
        old = self.instance
        kept = {"name": old.name, "team": old.team} if old.pk and old.team_id else {}
        draft = Tool(
            **kept
            | {
                name: value
                for name, value in values.items()
                if name not in {"permissions_required", "cost"}
            },
            cost_micros=self.instance.cost_micros,
        )
        # A draft that was never saved has no permissions to read; they can't be at fault.
        return contracts.document_of(draft, ())
