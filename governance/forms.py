"""Governance's forms: what a person types is judged by the same code that publishes it."""

from typing import Any

from django import forms
from kernel import money
from kernel.forms import DocumentField
from kernel.problems import Invalid
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from governance import documents
from governance.models import Budget, Policy

EXAMPLE = {
    "applies_to": {"agents": {"permission": "code_execution"}},
    "rules": [
        {
            "name": "max_execution_time",
            "message": "Max execution time: 30 seconds",
            "limit": {"timeout": 30},
        }
    ],
}


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A policy, its document typed as YAML."""

    document = DocumentField(rows=24, help_text="The selector (applies_to) and the rules, as YAML.")

    class Meta:
        model = Policy
        fields = ("name", "team", "description", "document", "version")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.document is None:
            self.initial["document"] = EXAMPLE

    def clean_document(self) -> Any:
        """The document itself; each fault is told with its JSON pointer."""
        document = self.cleaned_data["document"]
        try:
            documents.require_valid(document, name=self.instance.name or "")
        except Invalid as error:
            told = [
                f"{issue.pointer}: {issue.message}" if issue.pointer else issue.message
                for issue in error.errors
            ]
            raise forms.ValidationError(told or [error.detail]) from error
        return document


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A budget, its limit typed in currency units."""

    limit = forms.DecimalField(
        max_digits=16, decimal_places=6, min_value=0, widget=UnfoldAdminDecimalFieldWidget()
    )

    class Meta:
        model = Budget
        fields = ("name", "team", "agent", "period", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["limit"] = money.from_micros(self.instance.limit_micros)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        agent, team = values.get("agent"), values.get("team")
        if agent is not None and team is not None and agent.team_id != team.id:
            self.add_error("agent", f"{agent} belongs to team {agent.team}, not to {team}.")
        if "limit" in values:
            self.instance.limit_micros = money.to_micros(values["limit"])
        return values
