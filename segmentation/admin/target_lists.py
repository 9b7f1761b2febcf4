"""Target account lists, the review of what sales propose, quotas and reasons."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter, RadioFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from segmentation.admin.base import ProductAdmin, ReadOnlyAdmin, ReadOnlyInline, admin_url, chip, link, progress_bar
from segmentation.errors import ProblemError
from segmentation.models import (
    DisqualificationRequest,
    ListMembership,
    MembershipReason,
    MembershipState,
    SalesQuota,
    SalesTeam,
    TargetList,
    Tier,
)
from segmentation.models.choices import HOLDING_STATES, USUAL_PLACES, QuotaKind
from segmentation.services.target_lists import (
    add_accounts,
    disqualify_members,
    propose_accounts,
    recycle_members,
    remove_members,
    resume_members,
    review_disqualifications,
    review_proposals,
)

COLOURS = {
    MembershipState.PROPOSED: "#d97706",
    MembershipState.ACTIVE: "#16a34a",
    MembershipState.RECYCLING: "#2563eb",
    MembershipState.REJECTED: "#64748b",
    MembershipState.DISQUALIFIED: "#dc2626",
    MembershipState.REMOVED: "#64748b",
}


# --- Questions before a batch --------------------------------------------------------------------------------------


def _reason_field(use: str, required: bool = False) -> forms.ModelChoiceField:
    return forms.ModelChoiceField(
        label=_("Reason"),
        queryset=MembershipReason.objects.filter(Q(use=use) | Q(use=""), active=True),
        required=required,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Choose one, write a note, or both."),
    )


class NoteForm(BaseDialogForm):
    """Why, in a person's words."""

    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=ListMembership._meta.get_field("note").max_length,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Shown wherever somebody asks why."),
    )


class RefuseForm(NoteForm):
    reason = _reason_field(MembershipReason.Use.REFUSE)
    field_order = ["reason", "note"]


class DisqualifyMemberForm(NoteForm):
    reason = _reason_field(MembershipReason.Use.DISQUALIFY)
    field_order = ["reason", "note"]


class RemoveForm(NoteForm):
    reason = _reason_field(MembershipReason.Use.REMOVE)
    field_order = ["reason", "note"]


class RecycleForm(NoteForm):
    reason = _reason_field(MembershipReason.Use.RECYCLE)
    field_order = ["reason", "note"]


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
    reason = _reason_field(MembershipReason.Use.ADD)
    field_order = ["target_list", "team", "tier", "reason", "note"]


class AskingMixin:
    """List actions that ask on a page of their own and change only by the POST that answers it."""

    def _ask_and_do(
        self,
        request: HttpRequest,
        queryset: Any,
        form_class: type[forms.Form],
        name: str,
        texts: dict[str, Any],
        verb: Callable[[dict[str, Any]], list[Any]],
    ) -> HttpResponse:
        """Show the question; once it is answered call the verb with the answers, as the user of the request."""
        answered = "_form_submitted" in request.POST
        form = form_class(data=request.POST if answered else None, request=request)  # type: ignore[call-arg]
        if not answered or not form.is_valid():
            context = {
                **self.admin_site.each_context(request),  # type: ignore[attr-defined]
                "opts": self.model._meta,  # type: ignore[attr-defined]
                "accounts": queryset,
                "form": form,
                "media": self.media,  # type: ignore[attr-defined]
                "checkbox_name": ACTION_CHECKBOX_NAME,
                "action": name,
                **texts,
            }
            return TemplateResponse(request, "admin/segmentation/account/ask_action.html", context)
        try:
            answers = {name: form.cleaned_data[name] for name in form_class.declared_fields if name[0] != "_"}  # type: ignore[attr-defined]
            rows = verb({**answers, "user": request.user})
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            said = ngettext("%(number)d account is changed.", "%(number)d accounts are changed.", len(rows))
            messages.success(request, said % {"number": len(rows)})
        return HttpResponseRedirect(request.get_full_path())


class AddToListMixin(AskingMixin):
    """The action of the list of accounts that puts them on a target account list."""

    def has_add_to_list_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("segmentation.add_listmembership")  # type: ignore[union-attr]

    @admin.action(description=_("Put selected accounts on a target account list"), permissions=["add_to_list"])
    def add_to_list_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        def verb(answers: dict[str, Any]) -> list[Any]:
            team = answers.pop("team")
            return (
                propose_accounts(accounts=queryset, team=team, **answers)
                if team
                else add_accounts(accounts=queryset, **answers)
            )

        return self._ask_and_do(
            request,
            queryset,
            AddToListForm,
            "add_to_list_selected",
            {
                "title": _("Put selected accounts on a target account list"),
                "submit_text": _("Put on the list"),
                "description": _("All of them or none: what cannot be added is said and nothing changes."),
            },
            verb,
        )


# --- Lists and memberships -----------------------------------------------------------------------------------------


@admin.register(TargetList)
class TargetListAdmin(ProductAdmin):
    """Lists. Accounts are put on them in the list of accounts."""

    list_display = ["name", "key", "tier", "members", "waiting", "active"]
    list_filter = ["active", "tier"]
    search_fields = ["name", "key"]
    prepopulated_fields = {"key": ["name"]}
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

    def get_readonly_fields(self, request: HttpRequest, obj: TargetList | None = None) -> list[str]:
        return ["key"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: TargetList | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)


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
    """The history of every list, and the review queue: the same rows, those proposed now."""

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

    @admin.action(description=_("Accept selected proposals"), permissions=["decide"])
    def accept_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Accept selected proposals"),
            "submit_text": _("Accept"),
            "description": _("They become active on their list. They keep the place of their sales team."),
        }
        return self._ask_and_do(
            request,
            queryset,
            NoteForm,
            "accept_selected",
            texts,
            lambda answers: review_proposals(memberships=queryset, accept=True, **answers),
        )

    @admin.action(description=_("Refuse selected proposals"), permissions=["decide"])
    def refuse_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Refuse selected proposals"),
            "submit_text": _("Refuse"),
            "description": _("They do not come onto the list, and their sales team has its places back."),
        }
        return self._ask_and_do(
            request,
            queryset,
            RefuseForm,
            "refuse_selected",
            texts,
            lambda answers: review_proposals(memberships=queryset, accept=False, **answers),
        )

    @admin.action(description=_("Pause selected members"), permissions=["decide"])
    def recycle_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Pause selected members"),
            "submit_text": _("Pause"),
            "description": _("They stay on the list as recycling and keep their place."),
        }
        return self._ask_and_do(
            request,
            queryset,
            RecycleForm,
            "recycle_selected",
            texts,
            lambda answers: recycle_members(memberships=queryset, **answers),
        )

    @admin.action(description=_("Resume selected members"), permissions=["decide"])
    def resume_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Resume selected members"),
            "submit_text": _("Resume"),
            "description": _("They are active on their list again."),
        }
        return self._ask_and_do(
            request,
            queryset,
            NoteForm,
            "resume_selected",
            texts,
            lambda answers: resume_members(memberships=queryset, **answers),
        )

    @admin.action(description=_("Remove selected members"), permissions=["decide"])
    def remove_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Remove selected members"),
            "submit_text": _("Remove"),
            "description": _("They leave the list; a place they held is free again. They may come back."),
        }
        return self._ask_and_do(
            request,
            queryset,
            RemoveForm,
            "remove_selected",
            texts,
            lambda answers: remove_members(memberships=queryset, **answers),
        )

    @admin.action(description=_("Disqualify selected members on their list"), permissions=["decide"])
    def disqualify_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Disqualify selected members on their list"),
            "submit_text": _("Disqualify"),
            "description": _("They leave the list; only marketing can add them again. Other lists are not affected."),
        }
        return self._ask_and_do(
            request,
            queryset,
            DisqualifyMemberForm,
            "disqualify_selected",
            texts,
            lambda answers: disqualify_members(memberships=queryset, **answers),
        )


class ListMembershipInline(MembershipTexts, ReadOnlyInline):
    model = ListMembership
    fields = ["target_list", "state_chip", "start_at", "end_at", "why", "team"]
    readonly_fields = ["state_chip", "why"]
    verbose_name_plural = _("target account lists")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("target_list", "reason", "team")


# --- Requests, quotas, reasons -------------------------------------------------------------------------------------


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

    @admin.action(description=_("Accept selected requests"), permissions=["decide"])
    def accept_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Accept selected requests"),
            "submit_text": _("Disqualify"),
            "description": _("The accounts leave their list and the places they held are free again."),
        }
        return self._ask_and_do(
            request,
            queryset,
            NoteForm,
            "accept_selected",
            texts,
            lambda answers: review_disqualifications(requests=queryset, accept=True, **answers),
        )

    @admin.action(description=_("Refuse selected requests"), permissions=["decide"])
    def refuse_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        texts = {
            "title": _("Refuse selected requests"),
            "submit_text": _("Refuse"),
            "description": _("The accounts stay on their list. Say why in the note."),
        }
        return self._ask_and_do(
            request,
            queryset,
            NoteForm,
            "refuse_selected",
            texts,
            lambda answers: review_disqualifications(requests=queryset, accept=False, **answers),
        )


class SalesQuotaForm(forms.ModelForm):  # type: ignore[type-arg]
    """Places left empty are what is usual for the kind of team."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("places") is None and "places" not in self.errors and cleaned.get("kind"):
            cleaned["places"] = USUAL_PLACES[QuotaKind(cleaned["kind"])]
        return cleaned


@admin.register(SalesQuota)
class SalesQuotaAdmin(ProductAdmin):
    """Places of teams and reps, and how many of them are held."""

    form = SalesQuotaForm
    list_display = ["team", "rep", "kind", "places", "held", "remaining"]
    list_select_related = ["team", "rep"]
    list_filter = [("team", RelatedDropdownFilter), "kind"]
    search_fields = ["team__name", "rep__username"]
    autocomplete_fields = ["team", "rep"]
    fieldsets = [(None, {"fields": [("team", "rep"), ("kind", "places")]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = ListMembership.objects.filter(
            team=OuterRef("team"), end_at__isnull=True, state__in=HOLDING_STATES
        ).order_by()

        def counted(held: Any) -> Any:
            return Subquery(held.values("team").annotate(n=Count("account", distinct=True)).values("n"))

        held = Case(When(rep__isnull=True, then=counted(rows)), default=counted(rows.filter(rep=OuterRef("rep"))))
        return super().get_queryset(request).annotate(n_held=Coalesce(held, Value(0)), n_left=F("places") - F("n_held"))

    @display(description=_("held"), ordering="n_held")
    def held(self, quota: Any) -> Any:
        return progress_bar(quota.n_held / quota.places, f"{quota.n_held} / {quota.places}")

    @display(description=_("remaining"), ordering="n_left")
    def remaining(self, quota: Any) -> int:
        return max(quota.n_left, 0)

    def get_readonly_fields(self, request: HttpRequest, obj: SalesQuota | None = None) -> list[str]:
        return ["team", "rep"] if obj else []


@admin.register(MembershipReason)
class MembershipReasonAdmin(ProductAdmin):
    """Reasons people choose from. One that was used is made inactive instead of being deleted."""

    list_display = ["name", "key", "use", "active", "used"]
    list_filter = ["use", "active"]
    search_fields = ["name", "key"]
    prepopulated_fields = {"key": ["name"]}
    fieldsets = [(None, {"fields": [("name", "key"), ("use", "active")]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(n_used=Count("memberships"))

    @display(description=_("times used"), ordering="n_used")
    def used(self, reason: Any) -> int:
        return reason.n_used

    def get_readonly_fields(self, request: HttpRequest, obj: MembershipReason | None = None) -> list[str]:
        return ["key"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: MembershipReason | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)


__all__ = ["AddToListMixin", "ListMembershipInline"]
