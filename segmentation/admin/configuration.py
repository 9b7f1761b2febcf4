"""What the user configures about accounts and people: fields of their own, job title rules, import mappings."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesRadioFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from segmentation.admin.base import ProductAdmin
from segmentation.models import CustomField, Department, ImportMapping, Seniority, TitleRule

VALUES: dict[str, Any] = {TitleRule.Sets.SENIORITY: Seniority, TitleRule.Sets.DEPARTMENT: Department}


@admin.register(CustomField)
class CustomFieldAdmin(ProductAdmin):
    """A field declared here appears on the page of what it belongs to; imports and rules can use it."""

    list_display = ["label", "of", "key", "type", "help_text"]
    list_filter = [("of", ChoicesRadioFilter), ("type", ChoicesRadioFilter)]
    search_fields = ["label", "key"]
    prepopulated_fields = {"key": ["label"]}
    fieldsets = [(None, {"fields": [("of", "type"), ("label", "key"), "help_text"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: CustomField | None = None) -> list[str]:
        # The values are stored under the key and in the form of the type.
        return ["of", "key", "type"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: CustomField | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)


class TitleRuleForm(forms.ModelForm):
    """Offers only values that exist, and refuses a pattern that cannot be searched for."""

    value = forms.ChoiceField(
        label=_("Value"),
        widget=UnfoldAdminSelectWidget,
        choices=[(sets.label, values.choices) for sets, values in zip(TitleRule.Sets, VALUES.values(), strict=True)],
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        sets, value, pattern = cleaned.get("sets"), cleaned.get("value"), cleaned.get("pattern")
        if sets and value and value not in VALUES[sets].values:
            self.add_error(
                "value",
                ValidationError(
                    _("“%(value)s” is no %(sets)s: choose one of that group."),
                    code="value_of_other_group",
                    params={"value": value, "sets": TitleRule.Sets(sets).label},
                ),
            )
        if pattern and cleaned.get("match") == TitleRule.Match.REGEX:
            try:
                re.compile(pattern)
            except re.error as error:
                self.add_error(
                    "pattern",
                    ValidationError(
                        _("“%(pattern)s” is no regular expression: %(error)s. Mend it, or match a text instead."),
                        code="no_regex",
                        params={"pattern": pattern, "error": error},
                    ),
                )
        return cleaned


@admin.register(TitleRule)
class TitleRuleAdmin(ProductAdmin):
    """One list for seniority and one for department; in each the first active rule that fits decides."""

    form = TitleRuleForm
    list_display = ["rule", "sets", "value_label", "decides", "active"]
    list_editable = ["active"]
    list_filter = [("sets", ChoicesRadioFilter), ("active", BooleanRadioFilter)]
    list_per_page = 200
    search_fields = ["pattern"]
    ordering_field = "order"
    hide_ordering_field = True
    list_before_template = "admin/segmentation/titlerule/explanation.html"
    fieldsets = [(None, {"fields": [("sets", "value"), ("match", "pattern"), ("order", "active")]})]

    @display(description=_("rule"), ordering="order")
    def rule(self, rule: TitleRule) -> str:
        return f"{rule.get_match_display()} “{rule.pattern}”"

    @display(description=_("value"))
    def value_label(self, rule: TitleRule) -> str:
        values = VALUES[rule.sets]
        return str(values(rule.value).label) if rule.value in values.values else rule.value

    @display(description=_("contacts decided"))
    def decides(self, rule: TitleRule) -> Any:
        return "-"


@admin.register(ImportMapping)
class ImportMappingAdmin(ProductAdmin):
    """Mappings are made while a file is imported; here they are renamed, looked at and deleted."""

    list_display = ["name", "key", "target", "updated_at"]
    list_filter = [("target", ChoicesRadioFilter)]
    search_fields = ["name", "key"]
    readonly_fields = ["target", "spec", "updated_at"]
    fieldsets = [(None, {"fields": [("name", "key"), ("target", "updated_at"), "spec"]})]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
