"""What the journey adds to the pages of accounts: the stage in the list, the time line on the page."""

from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList

from journey.admin.assessments import FitMixin, fit_summary
from journey.admin.groups import group_context
from journey.admin.intent import interest_rows
from journey.admin.opportunities import CustomerPeriodInline, OpportunityInline, stage_chip
from journey.admin.plays import PlaySuggestionInline
from journey.admin.timeline import change_rows, days_text, figure, named_activities, reasons, stay_rows, when
from journey.models import StageInterval
from journey.selectors.groups import group_sizes
from journey.selectors.overview import ShownVersion, first_shown, stays_at
from journey.selectors.timeline import LISTED, timeline
from scoring.admin.activities import SIDE_COLOURS
from scoring.admin.intent import IntentSignalInline
from scoring.models import Side
from segmentation.admin.accounts import AccountAdmin as PlainAccountAdmin
from segmentation.admin.base import QuietChangeList, admin_url, chip
from segmentation.engine.params import one_look
from segmentation.models import Account


def shown_version(request: HttpRequest) -> ShownVersion | None:
    """Return the journey that lists and the start page show, looked up once for each request."""
    if not hasattr(request, "_shown_version"):
        request._shown_version = first_shown()  # type: ignore[attr-defined]
    return request._shown_version  # type: ignore[attr-defined]


class StageFilter(DropdownFilter):
    """Accounts that are in a stage of the first published journey now."""

    title = _("stage now")
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        shown = shown_version(request)
        return [(stage.key, str(stage)) for stage in shown.stages] if shown and shown.history else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        shown = shown_version(request)
        if not self.value() or not shown or not shown.history:
            return queryset
        stage = next((stage for stage in shown.stages if stage.key == self.value()), None)
        if stage is None:
            return queryset.none()
        stays = stays_at(shown.history, timezone.now()).filter(stage=stage)
        return queryset.filter(pk__in=stays.values("entity_id"))


class StageChangeList(QuietChangeList):
    """Fetches the stage of the rows that are shown, all in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        shown = shown_version(request)
        stays: dict[int, StageInterval] = {}
        if shown and shown.history:
            ids = [account.pk for account in self.result_list]
            stays = {stay.entity_id: stay for stay in stays_at(shown.history, timezone.now()).filter(entity_id__in=ids)}
        stages = {stage.pk: stage for stage in shown.stages} if shown else {}
        sizes = group_sizes([account.pk for account in self.result_list], request.user)
        for account in self.result_list:
            account.shown_subsidiaries = sizes.get(account.pk, 0)
            stay = stays.get(account.pk)
            account.shown_stay = (stages.get(stay.stage_id), stay.start_at) if stay else (None, None)


admin.site.unregister(Account)


@admin.register(Account)
class AccountAdmin(FitMixin, PlainAccountAdmin):
    """The account with its journey."""

    list_display = ["account", "stage", "since", "tier_label", "relationship", "industry", "region", "owner"]
    list_filter = [StageFilter, *PlainAccountAdmin.list_filter]
    inlines = [
        PlainAccountAdmin.inlines[0],
        OpportunityInline,
        CustomerPeriodInline,
        IntentSignalInline,
        PlaySuggestionInline,
        *PlainAccountAdmin.inlines[1:],
    ]
    actions = [*PlainAccountAdmin.actions, *FitMixin.actions]
    change_form_outer_after_template = "admin/segmentation/account/after.html"
    change_form_outer_before_template = "admin/segmentation/account/timeline.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StageChangeList

    @display(description=_("stage"))
    def stage(self, account: Any) -> Any:
        stage, _since = getattr(account, "shown_stay", (None, None))
        return chip(stage, stage.color) if stage else "-"

    @display(description=_("since"))
    def since(self, account: Any) -> str:
        stage, since = getattr(account, "shown_stay", (None, None))
        return formats.date_format(timezone.localtime(since), "SHORT_DATE_FORMAT") if stage and since else "-"

    @display(description=_("account"), header=True, ordering="name")
    def account(self, account: Any) -> tuple[str, str]:
        number = getattr(account, "shown_subsidiaries", 0)
        below = ngettext("%(number)d subsidiary", "%(number)d subsidiaries", number) % {"number": number}
        return account.name, " · ".join(part for part in (account.domain, below if number else "") if part)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        # Made when the template asks for it: not for a form that was saved and redirects.
        line = SimpleLazyObject(lambda: self.line_context(request, object_id))
        fits = SimpleLazyObject(lambda: self.fits(request, object_id))
        group = SimpleLazyObject(lambda: self.group(request, object_id))
        intent = SimpleLazyObject(lambda: self.intent(request, object_id))
        more = dict.fromkeys(("line", "fits", "group", "intent"))
        if object_id:
            more = {"line": line, "fits": fits, "group": group, "intent": intent}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def group(self, request: HttpRequest, object_id: str | None) -> dict[str, Any] | None:
        """Return the group the account belongs to; None for one that stands alone."""
        account = self.get_object(request, str(object_id))
        return group_context(request, account) if account and self.has_view_permission(request, account) else None

    def intent(self, request: HttpRequest, object_id: str | None) -> list[dict[str, Any]]:
        """Return what the account looks into, for those who may see its signals."""
        if not request.user.has_perm("scoring.view_intentsignal"):  # type: ignore[union-attr]
            return []
        account = self.get_object(request, str(object_id))
        return interest_rows(account) if account and self.has_view_permission(request, account) else []

    def fits(self, request: HttpRequest, object_id: str | None) -> list[dict[str, Any]]:
        """Return the fit by each published profile, for those who may see it."""
        if not str(object_id).isdigit() or not request.user.has_perm("segmentation.view_icpassessment"):  # type: ignore[union-attr]
            return []
        with one_look():
            return fit_summary(int(str(object_id)))

    def line_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        """Return what the time line's template shows."""
        account = self.get_object(request, str(object_id))
        if account is None or not self.has_view_permission(request, account):
            return {}
        line = timeline(account, user=request.user)
        may_see_deals = request.user.has_perm("journey.view_opportunity")  # type: ignore[union-attr]
        may_see_activities = request.user.has_perm("scoring.view_activity")  # type: ignore[union-attr]
        if not may_see_deals:
            line = replace(line, changes=[])
        if not may_see_activities:
            line = replace(line, points=[], activities=[], activity_number=0)
        why = reasons(account, line.tracks)
        named = named_activities(why) if may_see_activities else {}
        return {
            "account": account,
            "empty": line.is_empty,
            "figures": {} if line.is_empty else {"timeline": figure(line)},
            "tracks": [
                {
                    "journey": track.shown.journey,
                    "rows": stay_rows(track, line.now, why, named),
                    "current": _current_text(track, line.now),
                }
                for track in line.tracks
            ],
            "activities": [
                {"row": row, "chip": chip(row.type, SIDE_COLOURS[Side(row.type.side)]), "minutes": _minutes(row)}
                for row in line.activities
            ],
            "activity_number": line.activity_number,
            "activities_url": f"{admin_url('scoring_activity_changelist')}?account__id__exact={account.pk}",
            "changes": [{"row": row, "chip": stage_chip(row.crm_stage)} for row in line.changes],
            "field_changes": change_rows(line.field_changes),
            "most": LISTED,
            "may_see_deals": may_see_deals,
            "may_see_activities": may_see_activities,
            "imports_url": admin_url("segmentation_importrun_changelist"),
            "add_activity_url": f"{admin_url('scoring_activity_add')}?account={account.pk}",
        }


def _minutes(activity: Any) -> str:
    seconds = activity.seconds if activity.seconds is not None else activity.type.default_minutes * 60
    return formats.number_format(round(seconds / 60, 1))


def _current_text(track: Any, now: Any) -> dict[str, Any] | None:
    """Return the present stay in words, and what follows by itself."""
    current = track.current
    if current is None:
        return None
    coming = track.next
    return {
        "chip": chip(current.stage, current.stage.color),
        "since": gettext("since %(date)s (%(days)s)")
        % {"date": when(current.start_at), "days": days_text((now - current.start_at).total_seconds() / 86_400)},
        "next": gettext("If nothing else happens: %(stage)s from %(date)s")
        % {"stage": coming.stage, "date": when(coming.start_at)}
        if coming
        else "",
    }
