"""The history of every list, and what is done with its members."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from segmentation.admin.base import ReadOnlyAdmin, ReadOnlyInline, chip
from segmentation.admin.dialogs import AskingMixin, asking_action, why_form
from segmentation.models import ListMembership, MembershipReason, MembershipState
from segmentation.services.target_lists import (
    disqualify_members,
    recycle_members,
    remove_members,
    resume_members,
    review_proposals,
)

Use = MembershipReason.Use
COLOURS = {
    MembershipState.PROPOSED: "#d97706",
    MembershipState.ACTIVE: "#16a34a",
    MembershipState.RECYCLING: "#2563eb",
    MembershipState.REJECTED: "#64748b",
    MembershipState.DISQUALIFIED: "#dc2626",
    MembershipState.REMOVED: "#64748b",
}


class NowFilter(DropdownFilter):
    """By the state now; without a choice the rows that were ended are shown too."""

    title = _("now")
    parameter_name = "now"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("members", _("Active or recycling")), *MembershipState.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case None | "":
                return queryset
            case "members":
                return queryset.filter(end_at__isnull=True, state__in=["active", "recycling"])
            case state:
                return queryset.filter(end_at__isnull=True, state=state)


class MembershipTexts:
    """How a membership looks in a table."""

    @display(description=_("state"), ordering="state")
    def state_chip(self, row: ListMembership) -> Any:
        return chip(row.get_state_display(), COLOURS[MembershipState(row.state)])

    @display(description=_("why"))
    def why(self, row: Any) -> str:
        return " · ".join(str(part) for part in (row.reason, row.note) if part) or "-"


@admin.register(ListMembership)
class ListMembershipAdmin(MembershipTexts, AskingMixin, ReadOnlyAdmin):
    """The history of every list."""

    empty_text = _("Choose accounts in the list of accounts and put them on a target account list.")
    list_display = ["account", "target_list", "state_chip", "start_at", "end_at", "why", "team", "set_by"]
    list_select_related = ["account", "target_list", "reason", "team", "set_by"]
    list_filter = [
        NowFilter,
        ("target_list", RelatedDropdownFilter),
        ("team", RelatedDropdownFilter),
        ("account", AutocompleteSelectFilter),
    ]
    search_fields = ["account__name", "note"]
    fieldsets = [
        (None, {"fields": [("account", "target_list"), ("state", "tier"), ("start_at", "end_at"), ("reason", "note")]}),
        (_("Who and when"), {"fields": [("team", "rep"), ("set_by", "decided_by", "ended_by"), "recorded_at"]}),
    ]
    actions = [
        "accept_selected",
        "refuse_selected",
        "recycle_selected",
        "resume_selected",
        "remove_selected",
        "disqualify_selected",
    ]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("segmentation.change_listmembership")  # type: ignore[union-attr]

    accept_selected = asking_action(
        lambda rows, **why: review_proposals(memberships=rows, accept=True, **why),
        title=_("Accept selected proposals"),
        submit_text=_("Accept"),
        description=_("They become active on their list. They keep the place of their sales team."),
    )
    refuse_selected = asking_action(
        lambda rows, **why: review_proposals(memberships=rows, accept=False, **why),
        title=_("Refuse selected proposals"),
        submit_text=_("Refuse"),
        description=_("They do not come onto the list, and their sales team has its places back."),
        form=why_form(Use.REFUSE),
    )
    recycle_selected = asking_action(
        lambda rows, **why: recycle_members(memberships=rows, **why),
        title=_("Pause selected members"),
        submit_text=_("Pause"),
        description=_("They stay on the list as recycling and keep their place."),
        form=why_form(Use.RECYCLE),
    )
    resume_selected = asking_action(
        lambda rows, **why: resume_members(memberships=rows, **why),
        title=_("Resume selected members"),
        submit_text=_("Resume"),
        description=_("They are active on their list again."),
    )
    remove_selected = asking_action(
        lambda rows, **why: remove_members(memberships=rows, **why),
        title=_("Remove selected members"),
        submit_text=_("Remove"),
        description=_("They leave the list; a place they held is free again. They may come back."),
        form=why_form(Use.REMOVE),
    )
    disqualify_selected = asking_action(
        lambda rows, **why: disqualify_members(memberships=rows, **why),
        title=_("Disqualify selected members on their list"),
        submit_text=_("Disqualify"),
        description=_("They leave the list; only marketing can add them again. Other lists are not affected."),
        form=why_form(Use.DISQUALIFY),
    )


class ListMembershipInline(MembershipTexts, ReadOnlyInline):
    model = ListMembership
    fields = ["target_list", "state_chip", "start_at", "end_at", "why", "team"]
    readonly_fields = ["state_chip", "why"]
    verbose_name_plural = _("target account lists")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("target_list", "reason", "team")
