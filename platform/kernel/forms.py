"""Form fields that several apps' admins use."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from kernel import documents
from kernel.problems import Invalid


class DocumentField(forms.CharField):
    """A document typed as YAML or JSON; its value is the document, or None when left empty."""

    def __init__(self, *, rows: int = 8, **options: Any) -> None:
        attributes = {"rows": rows, "spellcheck": "false", "class": "font-mono"}
        widget = UnfoldAdminTextareaWidget(attrs=attributes)
        super().__init__(widget=widget, strip=False, max_length=documents.MAX_TEXT, **options)

    def prepare_value(self, value: Any) -> Any:
        """What was typed stays as it was typed; a document is shown as YAML."""
        if value is None or isinstance(value, str):
            return value
        return documents.to_text(value)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text or not text.strip():
            return None
        try:
            return documents.from_text(text)
        except Invalid as error:
            raise forms.ValidationError([issue.message for issue in error.errors]) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            typed = documents.from_text(data) if data and data.strip() else None
        except Invalid:
            return True
        return bool(typed != initial)
