"""The one form that is ours; the others are allauth's."""

from typing import Any  # Django's form arguments

from django import forms
from django.utils.translation import gettext_lazy as _


class HelloForm(forms.Form):
    """What the first owner says. Both fields are filled in already, so one button is enough."""

    name = forms.CharField(label=_("Your name"), max_length=200, initial="Owner")
    login = forms.CharField(
        label=_("Name you sign in with"), max_length=150, initial="owner", widget=forms.TextInput(attrs={"autocomplete": "username"})
    )

    def __init__(self, *args: Any, is_first: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_first:
            self.fields.clear()

    def said(self, field: str) -> str:
        """Return a cleaned field; the default where the button alone was pressed."""
        return str(self.cleaned_data.get(field, ""))
