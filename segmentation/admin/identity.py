"""Accounts that may be one company: the queue, the comparison with the decision, and the merges that were made."""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RadioFilter, RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldBooleanSwitchWidget

from segmentation.admin.base import ReadOnlyAdmin, admin_url, chip, link, progress_bar
from segmentation.admin.dialogs import AskingMixin, NoteForm, asking_action, leave_dialog
from segmentation.errors import ProblemError
from segmentation.models import Account, AccountMerge, DuplicateCandidate
from segmentation.selectors.access import visible_to
from segmentation.selectors.duplicates import reason_texts
from segmentation.services.duplicates import decline_duplicates, reopen_duplicates, request_search
from segmentation.services.merging import merge_accounts, undo_merge
from segmentation.services.merging.fields import takeable
from segmentation.services.merging.preview import fields_of, merge_preview

MERGE = ("segmentation.add_accountmerge", "segmentation.change_account")
UNDO = ("segmentation.change_accountmerge", "segmentation.change_account")
State = DuplicateCandidate.State


def compare_url(first: int, second: int) -> str:
    """Return the address of the page on which two accounts are compared and merged."""
    return f"{reverse('admin:segmentation_accountmerge_compare')}?first={first}&second={second}"


class StateFilter(RadioFilter):
    """What waits, unless declined pairs are asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(State.OPEN, State.OPEN.label), (State.DECLINED, State.DECLINED.label)]

    def value(self) -> Any:
        return super().value() or State.OPEN

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(state=self.value()) if self.value() in State.values else queryset


@admin.register(DuplicateCandidate)
class DuplicateCandidateAdmin(AskingMixin, ReadOnlyAdmin):
    """The queue: the most likely first. A row leads to both accounts side by side."""

    list_display = ["likelihood", "one", "other", "why", "decision"]
    list_display_links = None
    list_select_related = ["first", "second", "decided_by"]
    list_filter = [StateFilter, ("first", AutocompleteSelectFilter)]
    search_fields = ["first__name", "second__name", "first__domain", "second__domain"]
    search_help_text = _("Name or domain of one of the two")
    ordering = ["-score", "id"]
    actions = ["decline_selected", "reopen_selected"]
    actions_list = ["search_now"]
    empty_text = _("Accounts that share a domain, a name, people or nearly so appear here once a day.")
    list_before_template = "admin/segmentation/duplicatecandidate/explanation.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.decline_view)
        return [path("<int:pk>/decline/", view, name="segmentation_duplicatecandidate_decline"), *super().get_urls()]

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("segmentation.change_duplicatecandidate")  # type: ignore[union-attr]

    @display(description=_("score"), ordering="score")
    def likelihood(self, row: DuplicateCandidate) -> Any:
        return progress_bar(float(row.score))

    @display(description=_("account"), ordering="first__name")
    def one(self, row: DuplicateCandidate) -> Any:
        return _account(row.first)

    @display(description=_("other account"), ordering="second__name")
    def other(self, row: DuplicateCandidate) -> Any:
        return _account(row.second)

    @display(description=_("why"))
    def why(self, row: DuplicateCandidate) -> Any:
        texts = format_html_join("", "<div>{}</div>", ((text,) for text in reason_texts(row)))
        return format_html('<div class="aj-cell">{}</div>', texts)

    @display(description=_("decision"))
    def decision(self, row: DuplicateCandidate) -> Any:
        there = link(compare_url(row.first_id, row.second_id), _("Compare"))
        if row.state == State.OPEN:
            return there
        who = " · ".join(str(part) for part in (row.decided_by, row.note) if part)
        text = '<div class="aj-cell">{} <div class="aj-muted">{}</div> {}</div>'
        return format_html(text, chip(row.get_state_display()), who, there)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A pair is looked at where it can be decided."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return HttpResponseRedirect(compare_url(row.first_id, row.second_id))

    def decline_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Decline one pair, from the page that compares it."""
        row = self.get_queryset(request).filter(pk=pk).first()
        if request.method != "POST" or not self.has_decide_permission(request):
            raise PermissionDenied
        if row is None:
            raise Http404
        try:
            decline_duplicates(candidates=[row], note=request.POST.get("note", ""), user=request.user)
        except ProblemError as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(compare_url(row.first_id, row.second_id))
        messages.success(request, gettext("%(pair)s: declined. It comes back when its reasons change.") % {"pair": row})
        return HttpResponseRedirect(reverse("admin:segmentation_duplicatecandidate_changelist"))

    decline_selected = asking_action(
        lambda candidates, **answers: decline_duplicates(candidates=candidates, **answers),
        title=_("Not the same: decline selected pairs"),
        submit_text=_("Decline"),
        description=_("They do not come back until something about them changes."),
        form=NoteForm,
        said=lambda number: (
            ngettext("%(number)d pair is declined.", "%(number)d pairs are declined.", number) % {"number": number}
        ),
    )
    reopen_selected = asking_action(
        lambda candidates, **answers: reopen_duplicates(candidates=candidates, **answers),
        title=_("Look at selected pairs again"),
        submit_text=_("Put back"),
        description=_("Declined pairs wait for review again."),
        form=BaseDialogForm,
        said=lambda number: (
            ngettext("%(number)d pair waits again.", "%(number)d pairs wait again.", number) % {"number": number}
        ),
    )

    @action(
        description=_("Look for duplicates now"),
        permissions=["decide"],
        icon="search",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": _("Look for duplicates now"),
            "description": _("All accounts are compared in the background; that also happens once a day."),
            "form_class": BaseDialogForm,
            "form_submit_text": _("Look"),
        },
    )
    def search_now(self, request: HttpRequest, form: BaseDialogForm) -> HttpResponse:
        job = request_search(user=request.user)
        messages.success(request, gettext("The search is queued: it will take some seconds."))
        return leave_dialog("segmentation_job_change", job.pk)


def _account(account: Account) -> Any:
    about = " · ".join(part for part in (account.domain, account.city, account.country or account.region) if part)
    url = admin_url("segmentation_account_change", account.pk)
    return format_html('<div class="aj-cell">{}<div class="aj-muted">{}</div></div>', link(url, account), about)


class UndoForm(BaseDialogForm):
    """What becomes of facts that came since."""

    keep_newer = forms.BooleanField(
        label=_("What is newer stays with the survivor"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Otherwise facts that came since the merge forbid the undo: nobody can say whose they are."),
    )


class UndoneFilter(RadioFilter):
    title = _("undone")
    parameter_name = "undone"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("In force")), ("yes", _("Undone"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() in ("yes", "no"):
            return queryset.filter(undone_at__isnull=self.value() == "no")
        return queryset


@admin.register(AccountMerge)
class AccountMergeAdmin(ReadOnlyAdmin):
    """Merges that were made, each with what it moved and the way back."""

    list_display = ["merged", "into", "merged_at", "merged_by", "facts", "state"]
    list_select_related = ["account", "merged_by", "undone_by"]
    list_filter = [UndoneFilter, ("account", AutocompleteSelectFilter), ("merged_at", RangeDateTimeFilter)]
    search_fields = ["name", "survivor_name", "external_id__exact", "domain"]
    search_help_text = _("Name, domain or external id of the merged account, name of the survivor")
    actions_detail = ["undo"]
    empty_text = _("Merge two accounts in the queue of possible duplicates, or choose two in the list of accounts.")
    change_form_outer_before_template = "admin/segmentation/accountmerge/merge.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("name", "account"),
                    ("domain", "source_system", "external_id"),
                    ("merged_at", "merged_by"),
                    ("undone_at", "undone_by"),
                    "note",
                ]
            },
        )
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.compare_view)
        return [path("compare/", view, name="segmentation_accountmerge_compare"), *super().get_urls()]

    @display(description=_("merged account"), header=True, ordering="name")
    def merged(self, merge: AccountMerge) -> tuple[str, str]:
        return merge.name, " · ".join(part for part in (merge.domain, merge.external_id) if part)

    @display(description=_("is part of"), ordering="account__name")
    def into(self, merge: AccountMerge) -> Any:
        if merge.account_id is None:
            return merge.survivor_name
        return link(admin_url("segmentation_account_change", merge.account_id), merge.account)

    @display(description=_("facts moved"))
    def facts(self, merge: AccountMerge) -> int:
        return sum(merge.counts.values())

    @display(description=_("state"))
    def state(self, merge: AccountMerge) -> Any:
        return chip(_("Undone")) if merge.undone_at else chip(_("In force"), "#15803d")

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        merge = self.get_object(request, str(object_id)) if object_id else None
        told = _told(merge) if merge and self.has_view_permission(request, merge) else None
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "told": told})

    def has_undo_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        if not request.user.has_perms(UNDO):  # type: ignore[union-attr]
            return False
        if object_id is None or request.method == "POST":
            return True
        mine = self.get_queryset(request)
        return mine.filter(pk=object_id, undone_at__isnull=True, account__isnull=False).exists()

    @action(
        description=_("Undo"),
        permissions=["undo"],
        icon="undo",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": _("Make two accounts of one again"),
            "description": _("Both are as they were before the merge, with all their facts, and are replayed."),
            "form_class": UndoForm,
            "form_submit_text": _("Undo the merge"),
        },
    )
    def undo(self, request: HttpRequest, form: UndoForm, object_id: Any) -> HttpResponse:
        merge = self.get_object(request, str(object_id))
        if merge is None:
            raise Http404
        try:
            account = undo_merge(merge=merge, keep_newer=form.cleaned_data["keep_newer"], user=request.user)
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            messages.success(request, gettext("%(account)s is an account of its own again.") % {"account": account})
        return leave_dialog("segmentation_accountmerge_change", merge.pk)

    # Comparing two accounts -----------------------------------------------------------------------------------------

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Both accounts side by side; a POST merges them as chosen."""
        if not self.has_view_permission(request) or not request.user.has_perm("segmentation.view_account"):  # type: ignore[union-attr]
            raise PermissionDenied
        mine = visible_to(Account.objects.select_related("team", "parent"), request.user)
        first, second = (_one(mine, request.GET.get(side, "")) for side in ("first", "second"))
        if first is None or second is None:
            messages.warning(request, gettext("One of the two accounts is not there any more."))
            return HttpResponseRedirect(reverse("admin:segmentation_duplicatecandidate_changelist"))
        may_merge = request.user.has_perms(MERGE)  # type: ignore[union-attr]
        if request.method == "POST":
            if not may_merge:
                raise PermissionDenied
            if done := self._merge(request, {"first": first, "second": second}):
                return done
        preview = merge_preview(first, second)
        better = _better(preview)
        low, high = sorted([first.pk, second.pk])
        candidate = DuplicateCandidate.objects.filter(first=low, second=high).first()
        return TemplateResponse(
            request,
            "admin/segmentation/accountmerge/compare.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "title": _("Are these one company?"),
                "preview": preview,
                "sides": [
                    {"key": key, "account": one, "url": admin_url("segmentation_account_change", one.pk)}
                    for key, one in (("first", first), ("second", second))
                ],
                "survivor": request.POST.get("survivor", better),
                "chosen": request.POST,
                "rows": [_row(pair, request.POST, better) for pair in preview.fields if pair.first or pair.second],
                "candidate": candidate,
                "reasons": reason_texts(candidate) if candidate else [],
                "may_merge": may_merge,
                "may_decline": request.user.has_perm("segmentation.change_duplicatecandidate"),  # type: ignore[union-attr]
                "queue_url": reverse("admin:segmentation_duplicatecandidate_changelist"),
            },
        )

    def _merge(self, request: HttpRequest, accounts: dict[str, Account]) -> HttpResponse | None:
        side = request.POST.get("survivor")
        if side not in accounts:
            messages.error(request, gettext("Choose the account that stays."))
            return None
        other = "second" if side == "first" else "first"
        survivor, absorbed = accounts[side], accounts[other]
        take = [name for name in takeable(absorbed) if request.POST.get(f"take-{name}") == other]
        try:
            merge = merge_accounts(
                survivor=survivor, absorbed=absorbed, take=take, note=request.POST.get("note", ""), user=request.user
            )
        except ProblemError as problem:
            messages.error(request, str(problem))
            return None
        said = gettext("%(absorbed)s is part of %(survivor)s now. This page can undo it.")
        messages.success(request, said % {"absorbed": absorbed, "survivor": survivor})
        return HttpResponseRedirect(admin_url("segmentation_accountmerge_change", merge.pk) or "")


def _one(accounts: Any, key: str) -> Account | None:
    return accounts.filter(pk=int(key)).first() if key.isascii() and key.isdecimal() and len(key) < 19 else None


def _better(preview: Any) -> str:
    """The side that more is known of: a good guess for the account that stays."""
    facts = [sum(row[side] for row in preview.facts) for side in (1, 2)]
    filled = [sum(bool(getattr(pair, side)) for pair in preview.fields) for side in ("first", "second")]
    return "second" if (facts[1], filled[1]) > (facts[0], filled[0]) else "first"


def _row(pair: Any, chosen: Any, better: str) -> dict[str, Any]:
    survivor = chosen.get("survivor", better)
    other = "second" if survivor == "first" else "first"
    usual = survivor if getattr(pair, survivor, "") else other
    return {"pair": pair, "side": chosen.get(f"take-{pair.name}", usual)}


def _told(merge: AccountMerge) -> dict[str, Any]:
    """What the page of a merge tells: what was moved, and the merged account as it was."""
    facts = []
    for name, number in merge.counts.items():
        model = apps.get_model(*name.split(".")[:2])
        what = gettext("subsidiaries") if model is Account else model._meta.verbose_name_plural
        facts.append((what, number))
    names = {field.name: field.verbose_name for field in Account._meta.concrete_fields}
    return {
        "facts": facts,
        "reasons": reason_texts(merge),
        "fields": fields_of(merge.absorbed_row),
        "taken": [names.get(name, name) for name in merge.taken],
    }


class MergeTwoMixin:
    """The action of the list of accounts that compares two of them."""

    def has_merge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(MERGE)  # type: ignore[union-attr]

    @admin.action(description=_("Compare and merge two accounts"), permissions=["merge"])
    def compare_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        keys = list(queryset.order_by("pk").values_list("pk", flat=True)[:3])
        if len(keys) != 2:
            messages.warning(request, gettext("Choose exactly two accounts."))
            return None
        return HttpResponseRedirect(compare_url(*keys))


__all__ = ["AccountMergeAdmin", "DuplicateCandidateAdmin", "MergeTwoMixin"]
