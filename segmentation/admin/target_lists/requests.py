"""What sales ask marketing to disqualify."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RadioFilter, RelatedDropdownFilter

from segmentation.admin.base import ReadOnlyAdmin
from segmentation.admin.dialogs import AskingMixin, asking_action
from segmentation.admin.target_lists.memberships import MembershipTexts
from segmentation.models import DisqualificationRequest
from segmentation.services.target_lists import review_disqualifications


class DecisionFilter(RadioFilter):
    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(DisqualificationRequest.Decision.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(decision=self.value()) if self.value() else queryset


@admin.register(DisqualificationRequest)
class DisqualificationRequestAdmin(MembershipTexts, AskingMixin, ReadOnlyAdmin):
    """What sales ask marketing to disqualify."""

    empty_text = _("Sales ask for it where they look at their accounts; marketing decides in the review queue.")
    list_display = ["account", "target_list", "decision", "why", "team", "asked_by", "asked_at", "decided_by"]
    list_select_related = ["account", "target_list", "reason", "team", "asked_by", "decided_by"]
    list_filter = [DecisionFilter, ("target_list", RelatedDropdownFilter), ("team", RelatedDropdownFilter)]
    search_fields = ["account__name", "note"]
    fieldsets = [
        (None, {"fields": [("account", "target_list"), ("reason", "note"), ("team", "asked_by", "asked_at")]}),
        (_("Decision"), {"fields": [("decision", "decision_note"), ("decided_by", "decided_at")]}),
    ]
    actions = ["accept_selected", "refuse_selected"]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(  # type: ignore[union-attr]
            ["segmentation.change_disqualificationrequest", "segmentation.change_listmembership"]
        )

    accept_selected = asking_action(
        lambda rows, **why: review_disqualifications(requests=rows, accept=True, **why),
        title=_("Accept selected requests"),
        submit_text=_("Disqualify"),
        description=_("The accounts leave their list and the places they held are free again."),
    )
    refuse_selected = asking_action(
        lambda rows, **why: review_disqualifications(requests=rows, accept=False, **why),
        title=_("Refuse selected requests"),
        submit_text=_("Refuse"),
        description=_("The accounts stay on their list. Say why in the note."),
    )
