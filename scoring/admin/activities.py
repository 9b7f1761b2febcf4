"""Activity types and the activities themselves, of which there may be tens of millions."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesCheckboxFilter,
    DropdownFilter,
    RadioFilter,
)
from unfold.decorators import display

from scoring.models import Activity, ActivityType, Side
from scoring.selectors.activity_types import used_type_ids
from segmentation.admin.base import CappedPaginator, ProductAdmin, chip
from segmentation.models import Account, Contact
from segmentation.selectors.access import visible_to

SIDE_COLOURS = {Side.MARKETING: "#3b82f6", Side.SALES: "#f97316", Side.PRODUCT: "#14b8a6"}
DEFAULT_DAYS = 90  # how far a filter without account and period looks back


class UsedFilter(RadioFilter):
    title = _("use")
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("With activities")), ("no", _("Without activities"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "yes":
                return queryset.filter(pk__in=used_type_ids())
            case "no":
                return queryset.exclude(pk__in=used_type_ids())
        return queryset


@admin.register(ActivityType)
class ActivityTypeAdmin(ProductAdmin):
    """What counts as engagement, for how long, and what is hot."""

    counts_everything = True
    list_display = ["name", "side_chip", "category", "default_minutes", "is_hot", "is_meeting", "active"]
    list_editable = ["default_minutes", "is_hot", "active"]
    list_filter = [
        ("side", ChoicesCheckboxFilter),
        ("is_hot", BooleanRadioFilter),
        ("active", BooleanRadioFilter),
        UsedFilter,
    ]
    search_fields = ["name", "key", "category"]
    list_per_page = 50
    prepopulated_fields = {"key": ["name"]}
    fieldsets = [
        (None, {"fields": [("name", "key"), ("side", "category"), "active"]}),
        (
            _("How it counts"),
            {
                "fields": ["default_minutes", ("is_hot", "is_meeting")],
                "description": _("A change applies to the whole past: every history is brought up to date with it."),
            },
        ),
    ]

    @display(description=_("side"), ordering="side")
    def side_chip(self, activity_type: ActivityType) -> Any:
        return chip(activity_type.get_side_display(), SIDE_COLOURS[Side(activity_type.side)])

    def get_readonly_fields(self, request: HttpRequest, obj: ActivityType | None = None) -> list[str]:
        return ["key"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: ActivityType | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)


class PeriodFilter(DropdownFilter):
    """When it happened. Narrow periods are read from the index by time."""

    title = _("period")
    parameter_name = "period"
    days = {"7": _("Last 7 days"), "30": _("Last 30 days"), "90": _("Last 90 days"), "365": _("Last year")}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*self.days.items(), ("all", _("All time (slow)"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in self.days:
            return queryset
        return queryset.filter(occurred_at__gte=timezone.now() - dt.timedelta(days=int(self.value() or 0)))


class _RecentFilter(DropdownFilter):
    """A filter no index serves: without account, person and period it looks at the last `DEFAULT_DAYS` days only."""

    narrowing = ("account__id__exact", "contact__id__exact", PeriodFilter.parameter_name)

    def condition(self, value: str) -> Q:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        queryset = queryset.filter(self.condition(str(self.value())))
        if any(request.GET.get(name) for name in self.narrowing):
            return queryset
        if not getattr(request, "_told_recent", False):
            request._told_recent = True  # type: ignore[attr-defined]
            messages.info(
                request,
                gettext("Activities of the last %(days)d days are shown. Choose a period or an account to see others.")
                % {"days": DEFAULT_DAYS},
            )
        return queryset.filter(occurred_at__gte=timezone.now() - dt.timedelta(days=DEFAULT_DAYS))


class TypeFilter(_RecentFilter):
    title = _("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in ActivityType.objects.order_by("name").values_list("pk", "name")]

    def condition(self, value: str) -> Q:
        return Q(type=int(value)) if value.isdigit() else Q(pk__in=[])


class SideFilter(_RecentFilter):
    title = _("side")
    parameter_name = "side"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Side.choices)

    def condition(self, value: str) -> Q:
        return Q(type__in=list(ActivityType.objects.filter(side=value).values_list("pk", flat=True)))


@admin.register(Activity)
class ActivityAdmin(ProductAdmin):
    """Facts, newest first. Counts stop at ten thousand, and every search and filter follows an index."""

    paginator = CappedPaginator
    show_full_result_count = False
    sortable_by = ["occurred_at"]
    ordering = ["-occurred_at", "-id"]
    list_display = ["occurred_at", "account", "contact", "type_chip", "minutes", "what"]
    list_select_related = ["account", "contact", "type"]
    list_filter = [
        PeriodFilter,
        ("account", AutocompleteSelectFilter),
        ("contact", AutocompleteSelectFilter),
        TypeFilter,
        SideFilter,
    ]
    search_fields = ["source_key"]
    search_help_text = _("Name of the account or person (its beginning counts first), or the whole source key")
    autocomplete_fields = ["account", "contact", "type"]
    readonly_fields = ["recorded_at"]
    fieldsets = [
        (None, {"fields": [("type", "occurred_at"), ("account", "contact"), ("seconds", "outcome")]}),
        (_("What it was about"), {"fields": [("campaign", "content"), "url"]}),
        (_("Where it comes from"), {"fields": [("source_key", "recorded_at")]}),
    ]

    @display(description=_("type"))
    def type_chip(self, activity: Activity) -> Any:
        return chip(activity.type, SIDE_COLOURS[Side(activity.type.side)])

    @display(description=_("minutes"))
    def minutes(self, activity: Activity) -> str:
        if activity.seconds is not None:
            return f"{activity.seconds / 60:.1f}"
        return f"{activity.type.default_minutes:.1f}"

    @display(description=_("about"))
    def what(self, activity: Activity) -> str:
        return activity.content or activity.campaign or activity.outcome or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: Activity | None = None) -> list[str]:
        return ["recorded_at", "source_key"] if obj else ["recorded_at"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now()
        return {
            "occurred_at": now.replace(second=0, microsecond=0),
            "source_key": f"admin:{now:%Y%m%d%H%M%S%f}",
            **super().get_changeform_initial_data(request),
        }

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Find the accounts and people of that name first: their activities have an index, the words in them do not."""
        term = search_term.strip()
        if not term:
            return queryset, False
        accounts = visible_to(Account.objects.filter(name__icontains=term), request.user).order_by("name")
        contacts = visible_to(Contact.objects.filter(Q(name__icontains=term) | Q(email__iexact=term)), request.user)
        found = Q(source_key=term) | Q(account__in=list(accounts[:20])) | Q(contact__in=list(contacts[:20]))
        return queryset.filter(found), False
