"""What the user configures about accounts and people: fields of their own, job title rules, import mappings."""

import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesRadioFilter
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from segmentation.admin.accounts import unread_titles
from segmentation.admin.base import ProductAdmin, admin_url
from segmentation.admin.dialogs import leave_dialog
from segmentation.errors import ProblemError
from segmentation.models import Contact, CustomField, Department, ImportMapping, Seniority, TitleRule
from segmentation.selectors.title_rules import contacts_decided
from segmentation.services.titles import reclassify_contacts

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
    actions_list = ["apply"]
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
        return getattr(self.request, "_decided", {}).get(rule.pk, 0) if rule.active else "-"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        request._decided = contacts_decided()  # type: ignore[attr-defined]
        unread = Contact.objects.filter(unread_titles()).count()
        context = {"unread": unread, "unread_url": f"{admin_url('segmentation_contact_changelist')}?title=unread"}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def has_apply_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(["segmentation.change_titlerule", "segmentation.change_contact"])  # type: ignore[union-attr]

    @action(
        description=_("Apply to all contacts"),
        permissions=["apply"],
        icon="play_arrow",
        dialog={
            "title": _("Apply the rules to all contacts"),
            "description": _("Seniority and department of everybody are read anew, except where fixed by hand."),
            "form_class": BaseDialogForm,
            "form_submit_text": _("Apply"),
        },
    )
    def apply(self, request: HttpRequest, form: BaseDialogForm) -> HttpResponse:
        try:
            changed = reclassify_contacts()
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            messages.success(
                request,
                ngettext("%(number)d contact was changed.", "%(number)d contacts were changed.", changed)
                % {"number": changed},
            )
        return leave_dialog("segmentation_titlerule_changelist")


@admin.register(ImportMapping)
class ImportMappingAdmin(ProductAdmin):
    """Mappings are made while a file is imported; here they are renamed, looked at and deleted."""

    list_display = ["name", "key", "target", "updated_at"]
    empty_text = _("A mapping is kept when you name it while you import a file.")
    list_filter = [("target", ChoicesRadioFilter)]
    search_fields = ["name", "key"]
    readonly_fields = ["target", "spec", "updated_at"]
    fieldsets = [(None, {"fields": [("name", "key"), ("target", "updated_at"), "spec"]})]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
