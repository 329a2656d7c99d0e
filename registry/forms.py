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

    def clean_executor_config(self) -> Any:
        return self.cleaned_data["executor_config"] or {}

    def clean_sandbox_config(self) -> Any:
        return self.cleaned_data["sandbox_config"] or {}

    def clean_examples(self) -> Any:
        return self._list("examples")

    def clean_tags(self) -> Any:
        return self._list("tags")

    def _list(self, name: str) -> list[Any]:
        value = self.cleaned_data[name] or []
        if not isinstance(value, list):
            raise forms.ValidationError("Write a list, such as [one, two].")
        return value

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
        draft = Tool(
            **{
                name: value
                for name, value in values.items()
                if name not in {"permissions_required", "cost"}
            },
            cost_micros=self.instance.cost_micros,
        )
        # A draft that was never saved has no permissions to read; they can't be at fault.
        draft.pk = None
        return contracts.document_of(draft)
