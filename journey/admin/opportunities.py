"""Deals with their append-only history, and what the stages of the CRM mean."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Count
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesCheckboxFilter,
    RadioFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSplitDateTimeVerticalWidget

from journey.models import CrmStage, CustomerPeriod, Opportunity, OpportunityChange, StageMeaning
from journey.services.deals import add_change, check_change, remap_stage
from segmentation.admin.accounts import SOURCE_FIELDSET, WithAccountFilter
from segmentation.admin.base import ProductAdmin, ProductInline, ReadOnlyInline, chip, short_date, values_filter
from segmentation.admin.custom_fields import CustomFieldsMixin
from segmentation.errors import InvalidValueError

MEANING_COLOURS = {
    StageMeaning.IDENTIFIED: "#fbbf24",
    StageMeaning.ACTIVE: "#f97316",
    StageMeaning.INTENT: "#ea580c",
    StageMeaning.WON: "#16a34a",
    StageMeaning.LOST: "#dc2626",
    "": "#94a3b8",
}


def stage_chip(stage: CrmStage | None) -> Any:
    """Return the stage of a deal in the colour of its meaning."""
    return chip(stage, MEANING_COLOURS.get(stage.meaning, "")) if stage else "-"


class MeaningFilter(RadioFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Open")), ("won", _("Won")), ("lost", _("Lost")), ("unmapped", _("Stage not mapped"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        meanings = {
            "open": [StageMeaning.IDENTIFIED, StageMeaning.ACTIVE, StageMeaning.INTENT],
            "won": [StageMeaning.WON],
            "lost": [StageMeaning.LOST],
            "unmapped": [""],
        }.get(self.value() or "")
        return queryset.filter(crm_stage__meaning__in=meanings) if meanings else queryset


class ChangeForm(forms.ModelForm):
    """A new change, checked as the service checks it."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        try:
            check_change(
                **{name: cleaned.get(name) for name in ("crm_stage", "amount", "expected_close", "occurred_at")}
            )
        except InvalidValueError as problem:
            self.add_error(problem.field, forms.ValidationError(str(problem), code=problem.code))
        return cleaned


class OpportunityChangeInline(ProductInline):
    """What happened to the deal. Changes are added, never edited or deleted."""

    model = OpportunityChange
    form = ChangeForm
    can_delete = False
    show_change_link = False
    per_page = 50
    tab = False
    fields = ["occurred_at", "crm_stage", "amount", "expected_close", "learnt"]
    readonly_fields = ["learnt"]
    formfield_overrides = {models.DateTimeField: {"widget": UnfoldAdminSplitDateTimeVerticalWidget}}
    verbose_name = _("change")
    verbose_name_plural = _("changes")

    @display(description=_("recorded"))
    def learnt(self, change: OpportunityChange) -> str:
        return short_date(change.recorded_at) if change.pk else "-"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "crm_stage" and field:  # its menu would leave no room for the name
            for right in ("add", "change", "delete", "view"):
                setattr(field.widget, f"can_{right}_related", False)
        return field

    def get_queryset(self, request: HttpRequest) -> Any:
        changes = super().get_queryset(request).select_related("crm_stage")
        return changes.order_by(Coalesce("occurred_at", "recorded_at").desc(), "-sequence", "-id")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Opportunity)
class OpportunityAdmin(CustomFieldsMixin, ProductAdmin):
    """Deals. Stage, amount and closing follow from the changes and are not typed in."""

    custom_fields_of = "opportunity"
    show_full_result_count = False
    list_display = ["deal", "account_or_reference", "stage", "amount_text", "owner", "opened", "closed"]
    list_select_related = ["account", "crm_stage"]
    list_filter = [
        MeaningFilter,
        ("crm_stage", RelatedDropdownFilter),
        ("kind", ChoicesCheckboxFilter),
        values_filter("product"),
        values_filter("owner"),
        ("account", AutocompleteSelectFilter),
        WithAccountFilter,
    ]
    search_fields = ["name", "external_id__exact", "account__name", "account_reference"]
    search_help_text = _("Name, account or external id")
    autocomplete_fields = ["account", "contact", "team"]
    readonly_fields = ["stage", "amount_text", "expected_close", "opened_at", "closed_at", "recorded_at", "updated_at"]
    inlines = [OpportunityChangeInline]
    fieldsets = [
        (
            _("Deal"),
            {
                "fields": [
                    ("name", "kind"),
                    ("account", "contact"),
                    "account_reference",
                    ("product", "first_year_value"),
                ]
            },
        ),
        (
            _("Where it stands"),
            {
                "fields": [("stage", "amount_text"), ("opened_at", "closed_at"), ("expected_close", "loss_reason")],
                "description": _(
                    "Stage, amount and closing follow from the changes below. Add a change to move the deal."
                ),
            },
        ),
        (_("Responsible"), {"fields": [("owner", "team"), "currency"]}),
        SOURCE_FIELDSET,
    ]
    add_fieldsets = [
        (
            _("Deal"),
            {
                "fields": [
                    ("name", "kind"),
                    ("account", "contact"),
                    ("product", "first_year_value"),
                    "currency",
                ],
                "description": _("Stage and amount are given as the first change, below."),
            },
        ),
        (_("Responsible"), {"fields": [("owner", "team")]}),
        (_("Where it comes from"), {"fields": [("source_system", "external_id")], "classes": ["collapse"]}),
    ]

    @display(description=_("opportunity"), header=True, ordering="name")
    def deal(self, opportunity: Opportunity) -> tuple[str, str]:
        return str(opportunity), opportunity.product

    @display(description=_("account"), ordering="account__name")
    def account_or_reference(self, opportunity: Opportunity) -> Any:
        if opportunity.account:
            return opportunity.account
        text = opportunity.account_reference or _("no account")
        return format_html('<span class="aj-warn" title="{}">{}</span>', _("not matched with an account"), text)

    @display(description=_("stage in the CRM"), ordering="crm_stage__position")
    def stage(self, opportunity: Opportunity) -> Any:
        return stage_chip(opportunity.crm_stage)

    @display(description=_("opened"), ordering="opened_at")
    def opened(self, opportunity: Opportunity) -> str:
        return short_date(opportunity.opened_at)

    @display(description=_("closed"), ordering="closed_at")
    def closed(self, opportunity: Opportunity) -> str:
        return short_date(opportunity.closed_at)

    @display(description=_("amount"), ordering="amount")
    def amount_text(self, opportunity: Opportunity) -> str:
        return "-" if opportunity.amount is None else f"{opportunity.amount:,.0f} {opportunity.currency}".strip()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is not OpportunityChange:
            super().save_formset(request, form, formset, change)
            return
        formset.save(commit=False)
        formset.new_objects = [
            add_change(
                opportunity=form.instance,
                crm_stage=row.crm_stage,
                amount=row.amount,
                expected_close=row.expected_close,
                occurred_at=row.occurred_at,
            )
            for row in formset.new_objects
        ]


class OpportunityInline(ReadOnlyInline):
    """The deals of an account; edited on their own pages."""

    model = Opportunity
    fields = ["deal", "kind", "stage", "amount_text", "owner", "opened_at", "closed_at"]
    readonly_fields = ["deal", "stage", "amount_text"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("crm_stage")

    @display(description=_("opportunity"))
    def deal(self, opportunity: Opportunity) -> str:
        return str(opportunity)

    @display(description=_("stage in the CRM"))
    def stage(self, opportunity: Opportunity) -> Any:
        return stage_chip(opportunity.crm_stage)

    @display(description=_("amount"))
    def amount_text(self, opportunity: Opportunity) -> str:
        return "-" if opportunity.amount is None else f"{opportunity.amount:,.0f} {opportunity.currency}".strip()


class MappedFilter(RadioFilter):
    title = _("mapping")
    parameter_name = "mapped"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("Not mapped yet")), ("yes", _("Mapped"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "no":
                return queryset.filter(meaning="")
            case "yes":
                return queryset.exclude(meaning="")
        return queryset


@admin.register(CrmStage)
class CrmStageAdmin(ProductAdmin):
    """The mapping, edited in the list. A stage without meaning gives no verdict and says so."""

    counts_everything = True
    list_display = ["name", "mapping", "meaning", "position", "deals"]
    list_editable = ["meaning", "position"]
    list_filter = [MappedFilter, ("meaning", ChoicesCheckboxFilter)]
    list_per_page = 100
    list_before_template = "admin/journey/crmstage/explanation.html"
    search_fields = ["name"]
    fieldsets = [(None, {"fields": ["name", ("meaning", "position")]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(deal_number=Count("opportunities"))

    @display(description=_("verdict"), ordering="meaning")
    def mapping(self, stage: CrmStage) -> Any:
        if stage.meaning:
            return chip(stage.get_meaning_display(), MEANING_COLOURS[stage.meaning])
        return format_html('<span class="aj-warn">{}</span>', _("not mapped: its deals give no verdict"))

    @display(description=_("opportunities"), ordering="deal_number")
    def deals(self, stage: Any) -> int:
        return stage.deal_number

    def save_model(self, request: HttpRequest, obj: CrmStage, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "meaning" in form.changed_data:
            remap_stage(stage=obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        counts = {"unmapped": CrmStage.objects.filter(meaning="").count(), "stages": CrmStage.objects.count()}
        return super().changelist_view(request, {**(extra_context or {}), **counts})


@admin.register(CustomerPeriod)
class CustomerPeriodAdmin(ProductAdmin):
    """From when until when an account was a customer, where the CRM says so."""

    list_display = ["account", "product", "started_at", "ended_at"]
    list_select_related = ["account"]
    list_filter = [("account", AutocompleteSelectFilter), values_filter("product")]
    search_fields = ["account__name", "product"]
    autocomplete_fields = ["account"]
    fieldsets = [(None, {"fields": [("account", "product"), ("started_at", "ended_at")]})]


class CustomerPeriodInline(ProductInline):
    model = CustomerPeriod
    fields = ["product", "started_at", "ended_at"]
