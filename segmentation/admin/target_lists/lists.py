"""Target account lists, and the reasons people choose from."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from segmentation.admin.base import KeyedAdmin, admin_url, link
from segmentation.models import MembershipReason, TargetList


@admin.register(TargetList)
class TargetListAdmin(KeyedAdmin):
    """Lists. Accounts are put on them in the list of accounts."""

    counts_everything = True
    list_display = ["name", "key", "tier", "members", "waiting", "active"]
    list_filter = ["active", "tier"]
    search_fields = ["name", "key"]
    fieldsets = [(None, {"fields": [("name", "key"), "description", ("tier", "active")]})]
    list_before_template = "admin/segmentation/targetlist/explanation.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        open_rows = Q(memberships__end_at__isnull=True)
        return (
            super()
            .get_queryset(request)
            .annotate(
                n_members=Count("memberships", filter=open_rows & Q(memberships__state__in=["active", "recycling"])),
                n_waiting=Count("memberships", filter=open_rows & Q(memberships__state="proposed")),
            )
        )

    def _link(self, target_list: Any, number: int, query: str) -> Any:
        url = admin_url("segmentation_listmembership_changelist")
        return link(f"{url}?target_list__id__exact={target_list.pk}&{query}" if url else None, number)

    @display(description=_("target accounts now"), ordering="n_members")
    def members(self, target_list: Any) -> Any:
        return self._link(target_list, target_list.n_members, "now=members")

    @display(description=_("waiting for review"), ordering="n_waiting")
    def waiting(self, target_list: Any) -> Any:
        return self._link(target_list, target_list.n_waiting, "now=proposed")


@admin.register(MembershipReason)
class MembershipReasonAdmin(KeyedAdmin):
    """Reasons people choose from. One that was used is made inactive instead of being deleted."""

    counts_everything = True
    list_display = ["name", "key", "use", "active", "used"]
    list_filter = ["use", "active"]
    search_fields = ["name", "key"]
    fieldsets = [(None, {"fields": [("name", "key"), ("use", "active")]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(n_used=Count("memberships"))

    @display(description=_("times used"), ordering="n_used")
    def used(self, reason: Any) -> int:
        return reason.n_used
