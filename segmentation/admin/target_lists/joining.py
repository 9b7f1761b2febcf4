"""From the list of accounts onto a target account list."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from segmentation.admin.dialogs import AskingMixin, NoteForm, asking_action, reason_field
from segmentation.models import MembershipReason, SalesTeam, TargetList, Tier
from segmentation.services.target_lists import add_accounts, propose_accounts


class AddToListForm(NoteForm):
    """Onto which list, and for whom."""

    target_list = forms.ModelChoiceField(
        label=_("Target account list"),
        queryset=TargetList.objects.filter(active=True),
        widget=UnfoldAdminSelectWidget,
    )
    team = forms.ModelChoiceField(
        label=_("Propose for the sales team"),
        queryset=SalesTeam.objects.all(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Takes a place of its quota and waits for review. Empty: marketing adds them at once."),
    )
    tier = forms.TypedChoiceField(
        label=_("Tier on the list"),
        choices=[("", _("the tier of the list")), *Tier.choices],
        coerce=int,
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    reason = reason_field(MembershipReason.Use.ADD)
    field_order = ["target_list", "team", "tier", "reason", "note"]


def _add_or_propose(accounts: Any, *, team: SalesTeam | None, **answers: Any) -> list[Any]:
    if team is None:
        return add_accounts(accounts=accounts, **answers)
    return propose_accounts(accounts=accounts, team=team, **answers)


class AddToListMixin(AskingMixin):
    """The action of the list of accounts that puts them on a target account list."""

    def has_add_to_list_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("segmentation.add_listmembership")  # type: ignore[union-attr]

    add_to_list_selected = asking_action(
        _add_or_propose,
        title=_("Put selected accounts on a target account list"),
        submit_text=_("Put on the list"),
        description=_("All of them or none: what cannot be added is said and nothing changes."),
        form=AddToListForm,
        permission="add_to_list",
    )
