"""Flags, and the dialogs that disqualify an account and take it back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RadioFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget

from segmentation.admin.base import KeyedAdmin, ProductAdmin, ReadOnlyInline, chip
from segmentation.admin.dialogs import AskingMixin, asking_action, leave_dialog, whole_page
from segmentation.errors import ProblemError
from segmentation.models import Account, AccountFlag, FlagType
from segmentation.services.flags import disqualify_accounts, reinstate_accounts
from segmentation.services.target_lists import end_memberships
from segmentation.services.users import author

RED = "#dc2626"


class InForceFilter(RadioFilter):
    """Flags in force now, or ended ones."""

    title = _("in force")
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("In force")), ("no", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now = timezone.now()
        in_force = Q(start_at__lte=now) & (Q(end_at__isnull=True) | Q(end_at__gt=now))
        match self.value():
            case "yes":
                return queryset.filter(in_force)
            case "no":
                return queryset.exclude(in_force)
        return queryset


@admin.register(FlagType)
class FlagTypeAdmin(KeyedAdmin):
    """Kinds of marks. The ready-made one, disqualified, keeps its key and cannot be deleted."""

    counts_everything = True
    list_display = ["name", "key", "description", "in_force"]
    search_fields = ["name", "key"]
    fieldsets = [(None, {"fields": ["name", "key", "description"]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        open_flags = Q(account_flags__end_at__isnull=True)
        return super().get_queryset(request).annotate(open_flags=Count("account_flags", filter=open_flags))

    @display(description=_("accounts with this flag now"), ordering="open_flags")
    def in_force(self, flag_type: Any) -> int:
        return flag_type.open_flags

    def has_delete_permission(self, request: HttpRequest, obj: FlagType | None = None) -> bool:
        if obj and obj.key == FlagType.DISQUALIFIED:
            return False
        return super().has_delete_permission(request, obj)


@admin.register(AccountFlag)
class AccountFlagAdmin(ProductAdmin):
    """Flags are ended, not deleted: the history reads them."""

    list_display = ["account", "flag", "start_at", "end_at", "reason", "set_by"]
    list_select_related = ["account", "flag_type", "set_by"]
    list_filter = [InForceFilter, ("flag_type", RelatedDropdownFilter), ("account", AutocompleteSelectFilter)]
    search_fields = ["account__name", "reason"]
    autocomplete_fields = ["account"]
    fieldsets = [
        (None, {"fields": [("account", "flag_type"), ("start_at", "end_at"), "reason"]}),
        (_("Who and when"), {"fields": [("set_by", "ended_by"), "recorded_at"]}),
    ]

    @display(description=_("flag"), ordering="flag_type__name")
    def flag(self, flag: AccountFlag) -> Any:
        return chip(flag.flag_type, RED if flag.flag_type.key == FlagType.DISQUALIFIED else "#64748b")

    def get_fieldsets(self, request: HttpRequest, obj: AccountFlag | None = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.fieldsets[:1]

    def get_readonly_fields(self, request: HttpRequest, obj: AccountFlag | None = None) -> list[str]:
        return ["account", "flag_type", "set_by", "ended_by", "recorded_at"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: AccountFlag, form: Any, change: bool) -> None:
        if not change:
            obj.set_by = author(request.user)
        if obj.end_at is None:
            obj.ended_by = None
        elif "end_at" in form.changed_data:
            obj.ended_by = author(request.user)
        super().save_model(request, obj, form, change)
        if not change and obj.flag_type.key == FlagType.DISQUALIFIED and obj.end_at is None:
            end_memberships(
                accounts=[obj.account],
                note=obj.reason,
                user=request.user,
                at=min(obj.start_at, timezone.now()),
            )


class AccountFlagInline(ReadOnlyInline):
    model = AccountFlag
    fields = ["flag_type", "start_at", "end_at", "reason", "set_by"]
    readonly_fields = ["set_by"]
    verbose_name_plural = _("flags")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("flag_type", "set_by")


class ReinstateForm(BaseDialogForm):
    """From when; a time left empty is now."""

    at = forms.SplitDateTimeField(
        label=_("From"), required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text=_("Empty: now.")
    )


class DisqualifyForm(ReinstateForm):
    """Why, and from when."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=AccountFlag._meta.get_field("reason").max_length,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Shown wherever the flag is the answer to “why”."),
    )
    field_order = ["reason", "at"]


class DisqualifyMixin(AskingMixin):
    """The dialogs of the account page and the action of the list."""

    actions_detail = ["disqualify", "reinstate"]
    actions = ["disqualify_selected", "reinstate_selected"]

    def has_disqualify_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        if not request.user.has_perms(["segmentation.change_account", "segmentation.add_accountflag"]):  # type: ignore[union-attr]
            return False
        return object_id is None or request.method == "POST" or not self._is_disqualified(request, object_id)

    def has_reinstate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        if not request.user.has_perms(["segmentation.change_account", "segmentation.change_accountflag"]):  # type: ignore[union-attr]
            return False
        return object_id is None or request.method == "POST" or self._is_disqualified(request, object_id)

    def _is_disqualified(self, request: HttpRequest, object_id: Any) -> bool:
        known: dict[str, bool] = request.__dict__.setdefault("_disqualified", {})
        if str(object_id) not in known:
            flags = AccountFlag.objects.disqualifying()
            known[str(object_id)] = str(object_id).isdigit() and flags.filter(account=object_id).exists()
        return known[str(object_id)]

    def _account(self, request: HttpRequest, object_id: Any) -> Account:
        """Return the account, if this user may change this one."""
        account = self.get_object(request, str(object_id))  # type: ignore[attr-defined]
        if account is None:
            raise Http404
        if not self.has_change_permission(request, account):  # type: ignore[attr-defined]
            raise PermissionDenied
        return account

    def _back(self, account: Account) -> HttpResponse:
        return leave_dialog("segmentation_account_change", account.pk)

    @whole_page
    @action(
        description=_("Disqualify"),
        permissions=["disqualify"],
        icon="block",
        variant=ActionVariant.DANGER,
        dialog={
            "title": _("Disqualify this account"),
            "description": _(
                "Sales will not win it. It moves to the stage Disqualified and can be taken back at any time."
            ),
            "form_class": DisqualifyForm,
            "form_submit_text": _("Disqualify"),
        },
    )
    def disqualify(self, request: HttpRequest, form: DisqualifyForm, object_id: Any) -> HttpResponse:
        account = self._account(request, object_id)
        try:
            flags = disqualify_accounts(
                accounts=[account], reason=form.cleaned_data["reason"], user=request.user, at=form.cleaned_data["at"]
            )
        except ProblemError as problem:
            messages.error(request, str(problem))
            return self._back(account)
        if flags:
            self.log_change(request, account, gettext("Disqualified: %(reason)s") % {"reason": flags[0].reason})  # type: ignore[attr-defined]
            messages.success(request, gettext("%(account)s is disqualified.") % {"account": account})
        else:
            messages.info(request, gettext("%(account)s was disqualified already.") % {"account": account})
        return self._back(account)

    @whole_page
    @action(
        description=_("Take back"),
        permissions=["reinstate"],
        icon="undo",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": _("Take this account back"),
            "description": _("The disqualification ends; it stays in the history with its reason."),
            "form_class": ReinstateForm,
            "form_submit_text": _("Take back"),
        },
    )
    def reinstate(self, request: HttpRequest, form: ReinstateForm, object_id: Any) -> HttpResponse:
        account = self._account(request, object_id)
        try:
            flags = reinstate_accounts(accounts=[account], user=request.user, at=form.cleaned_data["at"])
        except ProblemError as problem:
            messages.error(request, str(problem))
            return self._back(account)
        if flags:
            self.log_change(request, account, gettext("Taken back."))  # type: ignore[attr-defined]
            messages.success(request, gettext("%(account)s is taken back.") % {"account": account})
        else:
            messages.info(request, gettext("%(account)s was not disqualified.") % {"account": account})
        return self._back(account)

    def _disqualify_all(self, request: HttpRequest, queryset: Any, answers: dict[str, Any]) -> list[AccountFlag]:
        flags = disqualify_accounts(accounts=queryset, user=request.user, **answers)
        for flag in flags:
            self.log_change(request, flag.account, gettext("Disqualified: %(reason)s") % {"reason": flag.reason})  # type: ignore[attr-defined]
        return flags

    @admin.action(description=_("Disqualify selected accounts"), permissions=["disqualify"])
    def disqualify_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        return self.ask_and_do(
            request,
            queryset,
            DisqualifyForm,
            lambda answers: self._disqualify_all(request, queryset, answers),
            lambda number: (
                ngettext("%(number)d account is disqualified.", "%(number)d accounts are disqualified.", number)
                % {"number": number}
            ),
            title=_("Disqualify selected accounts"),
            submit_text=_("Disqualify"),
            description=DISQUALIFY_TEXT,
        )

    reinstate_selected = asking_action(
        lambda accounts, **answers: reinstate_accounts(accounts=accounts, **answers),
        title=_("Take selected accounts back"),
        submit_text=_("Take back"),
        description=_("Their disqualification ends; it stays in the history with its reason."),
        form=ReinstateForm,
        permission="reinstate",
        said=lambda number: (
            ngettext("%(number)d account is taken back.", "%(number)d accounts are taken back.", number)
            % {"number": number}
        ),
    )


DISQUALIFY_TEXT = _("Sales will not win them. They move to the stage Disqualified and can be taken back at any time.")
