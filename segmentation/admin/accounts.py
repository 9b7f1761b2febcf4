"""Accounts, the people in them and the sales teams."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesCheckboxFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RadioFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from segmentation.admin.base import ProductAdmin, ProductInline, values_filter
from segmentation.admin.custom_fields import CustomFieldsForm, CustomFieldsMixin
from segmentation.admin.flags import AccountFlagInline, DisqualifyMixin
from segmentation.admin.identity import MergeTwoMixin
from segmentation.admin.target_lists import AddToListMixin, ListMembershipInline
from segmentation.models import Account, AccountFlag, Contact, ListMembership, SalesTeam, TargetList
from segmentation.models.choices import MEMBER_STATES
from segmentation.selectors.access import visible_to
from segmentation.selectors.hierarchy import ancestors

SOURCE_FIELDSET = (
    _("Where it comes from"),
    {
        "fields": [("source_system", "external_id"), "created_in_source_at", ("recorded_at", "updated_at")],
        "classes": ["collapse"],
    },
)


class DisqualifiedFilter(RadioFilter):
    title = _("disqualified")
    parameter_name = "disqualified"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        flags = AccountFlag.objects.disqualifying().filter(account=OuterRef("pk"))
        match self.value():
            case "yes":
                return queryset.filter(Exists(flags))
            case "no":
                return queryset.filter(~Exists(flags))
        return queryset


class OnListFilter(DropdownFilter):
    """Target accounts of a list now."""

    title = _("target account list")
    parameter_name = "on_list"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(TargetList.objects.order_by("name").values_list("key", "name"))

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        members = ListMembership.objects.filter(
            account=OuterRef("pk"), target_list__key=self.value(), end_at__isnull=True, state__in=MEMBER_STATES
        )
        return queryset.filter(Exists(visible_to(members, request.user)))


class GroupFilter(RadioFilter):
    """The companies at the top of a group, those below one, and those that stand alone."""

    title = _("group of companies")
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("top", _("Top of a group")), ("below", _("Has a parent company")), ("alone", _("Stands alone"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        below = visible_to(Account.objects.order_by(), request.user).filter(parent=OuterRef("pk"))
        match self.value():
            case "top":
                return queryset.filter(Exists(below), parent__isnull=True)
            case "below":
                return queryset.filter(parent__isnull=False)
            case "alone":
                return queryset.filter(~Exists(below), parent__isnull=True)
        return queryset


class WithAccountFilter(RadioFilter):
    """Of things that belong to an account: those that have found theirs, and those that have not."""

    title = _("account")
    parameter_name = "with_account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("With account")), ("no", _("Without account"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(account__isnull=self.value() == "no") if self.value() in ("yes", "no") else queryset


class TitleFilter(RadioFilter):
    """People whose job title no rule could read."""

    title = _("job title")
    parameter_name = "title"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("unread", _("Not recognised")), ("none", _("No job title"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "unread":
                return queryset.filter(unread_titles())
            case "none":
                return queryset.filter(job_title="")
        return queryset


def unread_titles() -> Q:
    """Contacts with a job title from which no seniority was read, unless a person said so."""
    return ~Q(job_title="") & Q(seniority="", classified_by_hand=False)


class ContactInline(ProductInline):
    model = Contact
    fields = ["name", "job_title", "seniority", "department", "buying_role", "email"]


class AccountForm(CustomFieldsForm):
    """Refuses a company among its own parents before the database does."""

    def clean_parent(self) -> Account | None:
        parent: Account | None = self.cleaned_data["parent"]
        if parent and self.instance.pk and self.instance.pk in (parent.pk, *ancestors(parent.pk)):
            raise forms.ValidationError(
                _("%(parent)s is below this company, which would be among its own parents. Choose another parent."),
                code="parent_circle",
                params={"parent": parent},
            )
        return parent


@admin.register(Account)
class AccountAdmin(DisqualifyMixin, AddToListMixin, MergeTwoMixin, CustomFieldsMixin, ProductAdmin):
    """Companies. What the journey says about them is added by the app `journey`."""

    custom_fields_of = "account"
    form = AccountForm
    list_display = ["account", "tier_label", "relationship", "industry", "region", "owner"]
    list_filter = [
        ("tier", ChoicesCheckboxFilter),
        ("relationship", ChoicesCheckboxFilter),
        values_filter("industry"),
        values_filter("region"),
        values_filter("owner"),
        ("team", RelatedDropdownFilter),
        ("parent", AutocompleteSelectFilter),
        GroupFilter,
        OnListFilter,
        DisqualifiedFilter,
    ]
    search_fields = ["name", "domain", "external_id__exact"]
    search_help_text = _("Name, domain or external id")
    autocomplete_fields = ["parent", "team"]
    readonly_fields = ["recorded_at", "updated_at"]
    inlines = [ContactInline, ListMembershipInline, AccountFlagInline]
    actions = ["add_to_list_selected", "compare_selected", *DisqualifyMixin.actions]
    fieldsets = [
        (
            _("Company"),
            {
                "fields": [
                    ("name", "domain"),
                    ("tier", "relationship"),
                    ("industry", "business_unit"),
                    ("employees", "parent"),
                ]
            },
        ),
        (_("Responsible"), {"fields": [("owner", "team"), ("source", "products")]}),
        (
            _("Place and size"),
            {"fields": [("region", "country", "city"), ("revenue", "revenue_currency")], "classes": ["collapse"]},
        ),
        (
            _("Other names"),
            {
                "fields": [("other_names", "other_domains")],
                "classes": ["collapse"],
                "description": _("Imports and the tracking of visitors recognise the account by these too."),
            },
        ),
        SOURCE_FIELDSET,
    ]

    @display(description=_("account"), header=True, ordering="name")
    def account(self, account: Account) -> tuple[str, str]:
        return account.name, account.domain

    @display(description=_("tier"), ordering="tier")
    def tier_label(self, account: Account) -> str:
        return account.get_tier_display() if account.tier else "-"


@admin.register(Contact)
class ContactAdmin(CustomFieldsMixin, ProductAdmin):
    """People. Seniority and department are read from the job title unless fixed by hand."""

    custom_fields_of = "contact"
    show_full_result_count = False
    list_display = ["person", "account", "job_title", "seniority", "department", "buying_role"]
    list_select_related = ["account"]
    list_filter = [
        ("seniority", ChoicesCheckboxFilter),
        ("department", ChoicesDropdownFilter),
        ("buying_role", ChoicesCheckboxFilter),
        ("account", AutocompleteSelectFilter),
        WithAccountFilter,
        TitleFilter,
    ]
    search_fields = ["name", "email", "external_id__exact"]
    search_help_text = _("Name, email or external id")
    autocomplete_fields = ["account"]
    readonly_fields = ["recorded_at", "updated_at"]
    fieldsets = [
        (_("Person"), {"fields": [("name", "account"), ("email", "phone"), "consent"]}),
        (
            _("Role"),
            {"fields": ["job_title", ("seniority", "department"), "classified_by_hand", "buying_role"]},
        ),
        SOURCE_FIELDSET,
    ]

    @display(description=_("contact"), header=True, ordering="name")
    def person(self, contact: Contact) -> tuple[str, str]:
        return str(contact), contact.email


@admin.register(SalesTeam)
class SalesTeamAdmin(ProductAdmin):
    list_display = ["name", "key", "region", "manager", "accounts_served"]
    search_fields = ["name", "key"]
    prepopulated_fields = {"key": ["name"]}
    autocomplete_fields = ["members"]
    fieldsets = [(None, {"fields": [("name", "key"), ("region", "manager"), "members"]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(accounts_served=Count("accounts"))

    @display(description=_("accounts"), ordering="accounts_served")
    def accounts_served(self, team: Any) -> int:
        return team.accounts_served
