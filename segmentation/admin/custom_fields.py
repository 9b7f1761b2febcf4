"""The user's own fields on the pages of accounts, contacts and opportunities, each with the widget of its type."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminNullBooleanSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
)

from segmentation.models import CustomField

PREFIX = "custom__"


def _form_field(field: CustomField) -> forms.Field:
    # Help texts of forms are HTML; this one was typed by a user.
    common: dict[str, Any] = {"label": field.label, "help_text": escape(field.help_text), "required": False}
    match field.type:
        case CustomField.Type.NUMBER:
            return forms.DecimalField(widget=UnfoldAdminDecimalFieldWidget, **common)
        case CustomField.Type.DATE:
            return forms.DateField(widget=UnfoldAdminSingleDateWidget, **common)
        case CustomField.Type.YES_NO:
            return forms.NullBooleanField(widget=UnfoldAdminNullBooleanSelectWidget, **common)
        case _:
            return forms.CharField(max_length=10_000, widget=UnfoldAdminTextInputWidget, **common)


def _stored(value: Any) -> Any:
    """Return a cleaned value as JSON keeps it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, dt.date) else value


class CustomFieldsForm(forms.ModelForm):
    """Reads the user's own fields from `custom` and writes them back; keys that are not declared are left alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.custom or {}
        for name in self.fields:
            if name.startswith(PREFIX):
                self.initial.setdefault(name, stored.get(name.removeprefix(PREFIX)))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        custom = dict(self.instance.custom or {})
        for name in self.fields:
            if not name.startswith(PREFIX) or name not in cleaned:
                continue
            if cleaned[name] in (None, ""):
                custom.pop(name.removeprefix(PREFIX), None)
            else:
                custom[name.removeprefix(PREFIX)] = _stored(cleaned[name])
        self.instance.custom = custom
        return cleaned


class CustomFieldsMixin:
    """Adds the fields the user declared for `custom_fields_of` as a section of the page."""

    custom_fields_of: str
    form = CustomFieldsForm

    def _custom_fields(self, request: HttpRequest) -> list[CustomField]:
        found = getattr(request, "_custom_fields", None)
        if found is None:
            found = request._custom_fields = list(CustomField.objects.filter(of=self.custom_fields_of))  # type: ignore[attr-defined]
        return found

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        declared = {f"{PREFIX}{field.key}": _form_field(field) for field in self._custom_fields(request)}
        kwargs.setdefault("form", type("CustomForm", (self.form,), declared))
        return super().get_form(request, obj, change=change, **kwargs)  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))  # type: ignore[misc]
        # Without the right to change, Django shows fields of the model only; the values are shown as they are stored.
        may_change = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)  # type: ignore[attr-defined]
        names = [f"{PREFIX}{field.key}" for field in self._custom_fields(request)] if may_change else ["custom"]
        return [*fieldsets, (_("Custom fields"), {"fields": names})] if names else fieldsets
