"""Target account lists, and the reasons people choose from."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from segmentation.admin.base import KeyedAdmin, ReadOnlyInline, admin_url, chip, link, short_date
from segmentation.models import ListMembership, ListReview, MembershipReason, TargetList
from segmentation.selectors.target_lists import cadence_of, with_counts, with_last_review


class ListReviewInline(ReadOnlyInline):
    model = ListReview
    fields = ["reviewed_at", "reviewed_by", "note"]
    readonly_fields = ["reviewed_by"]
    verbose_name_plural = _("reviews")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("reviewed_by")


@admin.register(TargetList)
class TargetListAdmin(KeyedAdmin):
    """Lists. Accounts are put on them in the list of accounts."""

    counts_everything = True
    list_display = ["name", "key", "tier", "members", "waiting", "next_review", "active"]
    list_filter = ["active", "tier"]
    search_fields = ["name", "key"]
    fieldsets = [
        (None, {"fields": [("name", "key"), "description", ("tier", "active")]}),
        (_("Upkeep"), {"fields": [("review_every_days", "stale_after_days"), "accounts_per_rep"]}),
    ]
    inlines = [ListReviewInline]
    empty_text = _("Make one, then choose accounts in the list of accounts and put them on it.")
    list_before_template = "admin/segmentation/targetlist/explanation.html"
    change_form_outer_before_template = "admin/segmentation/targetlist/import.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_last_review(with_counts(super().get_queryset(request)))

    def _link(self, target_list: Any, number: int, query: str) -> Any:
        url = admin_url("segmentation_listmembership_changelist")
        return link(f"{url}?target_list__id__exact={target_list.pk}&{query}" if url else None, number)

    @display(description=_("target accounts now"), ordering="n_members")
    def members(self, target_list: Any) -> Any:
        return self._link(target_list, target_list.n_members, "now=members")

    @display(description=_("waiting for review"), ordering="n_proposed")
    def waiting(self, target_list: Any) -> Any:
        return self._link(target_list, target_list.n_proposed, "now=proposed")

    @display(description=_("next review"))
    def next_review(self, target_list: Any) -> Any:
        cadence = cadence_of(target_list)
        if target_list.active and cadence.is_due(timezone.now()):
            return chip(_("due since %(day)s") % {"day": short_date(cadence.due_at)}, "#d97706")
        return short_date(cadence.due_at) if target_list.active else "-"


@admin.register(MembershipReason)
class MembershipReasonAdmin(KeyedAdmin):
    """Reasons people choose from. One that was used is made inactive instead of being deleted."""

    counts_everything = True
    list_display = ["name", "key", "use", "active", "used"]
    list_filter = ["use", "active"]
    search_fields = ["name", "key"]
    fieldsets = [(None, {"fields": [("name", "key"), ("use", "active")]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        used = ListMembership.objects.filter(reason=OuterRef("pk")).order_by().values("reason")
        counted = used.annotate(n=Count("*")).values("n")  # in the index of reasons, without joining every membership
        return super().get_queryset(request).annotate(n_used=Coalesce(Subquery(counted), Value(0)))

    @display(description=_("times used"), ordering="n_used")
    def used(self, reason: Any) -> int:
        return reason.n_used
