"""The start page: where the accounts are, what is missing and where to click."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.admin.list_scope import asked_scope
from journey.instants import past_instant
from journey.selectors.lists import ListScope
from journey.selectors.overview import (
    FunnelRow,
    Gap,
    data_counts,
    freshness,
    gaps,
    latest_imports,
    latest_jobs,
    overview,
)
from segmentation.admin.base import GREY, HEX_COLOUR, admin_url, chip
from segmentation.admin.jobs import COLOURS, bar_of
from segmentation.errors import ProblemError
from segmentation.models import ImportRun, Job

IMPORT_COLOURS = {
    ImportRun.State.DONE: "#16a34a",
    ImportRun.State.DONE_WITH_BAD_ROWS: "#d97706",
    ImportRun.State.FAILED: "#dc2626",
    ImportRun.State.PREVIEW: "#94a3b8",
}


def _gap_text(gap: Gap) -> str:
    number = f"{gap.number:,}+" if gap.capped else f"{gap.number:,}"
    texts = {
        "no_accounts": gettext("There are no accounts yet."),
        "no_activities": gettext("There are no activities yet: without them no account is engaged."),
        "no_published_journey": gettext("No journey is published yet."),
        "history_not_built": gettext("The journey has no history yet."),
        "history_behind": gettext("Facts have changed since the history was last brought up to date."),
    }
    if gap.key in texts:
        return texts[gap.key]
    counted = {
        "unmapped_stages": ngettext(
            "%(number)s CRM stage is not mapped: its deals give no verdict.",
            "%(number)s CRM stages are not mapped: their deals give no verdict.",
            gap.number,
        ),
        "opportunities_without_account": ngettext(
            "%(number)s opportunity has found no account.",
            "%(number)s opportunities have found no account.",
            gap.number,
        ),
        "contacts_without_account": ngettext(
            "%(number)s contact has found no account.", "%(number)s contacts have found no account.", gap.number
        ),
        "titles_not_recognised": ngettext(
            "The job title of %(number)s contact is not recognised.",
            "The job titles of %(number)s contacts are not recognised.",
            gap.number,
        ),
        "proposals_waiting": ngettext(
            "%(number)s proposal for a target account list waits for review.",
            "%(number)s proposals for target account lists wait for review.",
            gap.number,
        ),
        "lists_to_review": ngettext(
            "The review of %(number)s target account list is due.",
            "The reviews of %(number)s target account lists are due.",
            gap.number,
        ),
        "goals_to_review": ngettext(
            "The review of %(number)s goal is due.", "The reviews of %(number)s goals are due.", gap.number
        ),
        "unused_types": ngettext(
            "%(number)s activity type has no activities.", "%(number)s activity types have no activities.", gap.number
        ),
    }
    return counted[gap.key] % {"number": number}


# What is missing: where to go, with which filter, what to do there, and the right one needs for it.
PLACES: dict[str, tuple[str, str, Any, str]] = {
    "no_accounts": ("segmentation_importrun_changelist", "", _("Import"), "segmentation.view_importrun"),
    "no_activities": ("segmentation_importrun_changelist", "", _("Import"), "segmentation.view_importrun"),
    "unmapped_stages": ("journey_crmstage_changelist", "?mapped=no", _("Map"), "journey.view_crmstage"),
    "opportunities_without_account": (
        "journey_opportunity_changelist", "?with_account=no", _("Show"), "journey.view_opportunity",
    ),
    "contacts_without_account": (
        "segmentation_contact_changelist", "?with_account=no", _("Show"), "segmentation.view_contact",
    ),
    "titles_not_recognised": (
        "segmentation_contact_changelist", "?title=unread", _("Show"), "segmentation.view_contact",
    ),
    "proposals_waiting": (
        "segmentation_listmembership_review", "", _("Review"), "segmentation.change_listmembership",
    ),
    "lists_to_review": (
        "segmentation_targetlist_changelist", "", _("Show"), "segmentation.change_targetlist",
    ),
    "goals_to_review": (
        "segmentation_segmentgoal_changelist", "?show=all", _("Show"), "segmentation.change_segmentgoal",
    ),
    "unused_types": (
        "scoring_activitytype_changelist", "?used=no&active__exact=1", _("Show"), "scoring.view_activitytype",
    ),
    "no_published_journey": ("journey_journey_changelist", "", _("Open"), "journey.view_journey"),
    "history_not_built": ("", "", "", "journey.view_history"),
    "history_behind": ("", "", "", "journey.view_history"),
}  # fmt: skip
SERIOUS = {"no_accounts", "no_activities", "unmapped_stages", "no_published_journey", "history_not_built"}


def _gap_rows(found: list[Gap], request: HttpRequest) -> list[dict[str, Any]]:
    rows = []
    for gap in found:
        name, query, action, right = PLACES[gap.key]
        if not request.user.has_perm(right):  # type: ignore[union-attr]
            continue
        url = admin_url(name) if name else None
        rows.append(
            {
                "key": gap.key,
                "text": _gap_text(gap),
                "url": f"{url}{query}" if url else "",
                "action": action,
                "serious": gap.key in SERIOUS,
                "rebuild": gap.key in ("history_not_built", "history_behind"),
            }
        )
    return rows


def _moments(request: HttpRequest) -> tuple[dict[str, Any], list[str]]:
    """The days the funnel is asked for, and what is wrong with those that cannot be used."""
    moments: dict[str, Any] = {"as_of": None, "against": None}
    problems = []
    for name in moments:
        try:
            moments[name] = past_instant(request.GET[name], name) if request.GET.get(name) else None
        except ProblemError as error:
            problems.append(str(error))
    return moments, problems


def _bars(rows: list[FunnelRow], now: bool, scope: ListScope | None) -> list[dict[str, Any]]:
    """Return the bars; the widest stands for the fullest stage. Only those of now lead to their accounts."""
    of_list = f"&on_list={scope.target_list.key}" if scope else ""
    now = now and (scope is None or scope.mode != "cohort")
    fullest = max((row.number for row in rows), default=0)
    accounts = admin_url("segmentation_account_changelist")
    return [
        {
            "stage": row.stage,
            "colour": row.stage.color if HEX_COLOUR.fullmatch(row.stage.color) else GREY,
            "number": row.number,
            "change": row.change,
            "share": row.share * 100,
            "width": round(100 * row.number / fullest, 2) if fullest else 0,
            "url": f"{accounts}?stage={row.stage.key}{of_list}" if now else "",
        }
        for row in rows
    ]


COUNT_PAGES = {
    "account": (_("Accounts"), "apartment", "segmentation_account_changelist", "segmentation.view_account"),
    "contact": (_("Contacts"), "group", "segmentation_contact_changelist", "segmentation.view_contact"),
    "activity": (_("Activities"), "bolt", "scoring_activity_changelist", "scoring.view_activity"),
    "opportunity": (_("Opportunities"), "handshake", "journey_opportunity_changelist", "journey.view_opportunity"),
}


def _counts(request: HttpRequest) -> list[dict[str, Any]]:
    numbers = data_counts(request.user)
    return [
        {"title": title, "icon": icon, "url": admin_url(name), "number": numbers[key]}
        for key, (title, icon, name, right) in COUNT_PAGES.items()
        if request.user.has_perm(right)  # type: ignore[union-attr]
    ]


def start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the context of the admin's index what the start page shows; each part only to those who may see it."""
    may = request.user.has_perm  # type: ignore[union-attr]
    moments, problems = _moments(request)
    asked = asked_scope(request)
    found = overview(**moments, scope=asked.scope, user=request.user)
    request._shown_version = found.shown  # type: ignore[attr-defined]
    fresh = freshness(found.shown.history if found.shown else None)
    see_jobs, see_imports = (admin.site.get_model_admin(of).has_view_permission(request) for of in (Job, ImportRun))
    jobs = latest_jobs() if see_jobs else []
    imports = latest_imports() if see_imports else []
    fullest = [*found.funnel, *found.parking]
    bars = _bars(fullest, now=moments["as_of"] is None, scope=asked.scope)
    context.update(
        {
            "title": _("Overview"),
            "may_see_funnel": may("segmentation.view_account"),
            "shown": found.shown,
            "funnel": bars[: len(found.funnel)],
            "parking": bars[len(found.funnel) :],
            "total": found.total,
            "as_of": timezone.localtime(found.as_of),
            "asked": {name: request.GET.get(name, "") for name in moments},
            "against": moments["against"],
            "is_now": moments["as_of"] is None,
            "moment_problems": [*problems, *([asked.problem] if asked.problem else [])],
            "scope": asked.scope,
            "scope_form": asked.form,
            "fresh": fresh,
            "gaps": _gap_rows(gaps(found.shown, fresh, request.user), request),
            "counts": _counts(request),
            "jobs": [
                {
                    "job": job,
                    "url": admin_url("segmentation_job_change", job.pk),
                    "chip": chip(job.get_state_display(), COLOURS[Job.State(job.state)]),
                    "bar": bar_of(job),
                }
                for job in jobs
            ],
            "jobs_busy": any(job.state in (Job.State.QUEUED, Job.State.RUNNING) for job in jobs),
            "imports": [
                {
                    "run": run,
                    "url": admin_url("segmentation_importrun_change", run.pk),
                    "chip": chip(run.get_state_display(), IMPORT_COLOURS[ImportRun.State(run.state)]),
                }
                for run in imports
            ],
            "may_see_jobs": see_jobs,
            "may_see_imports": see_imports,
            "may_rebuild": may("journey.add_history"),
            "rebuild_url": admin_url("journey_history_rebuild"),
            "funnel_url": f"{admin_url('journey_journey_funnel')}?journey={found.shown.journey.key}"
            if found.shown and may("journey.view_journey")
            else "",
            "journeys_url": admin_url("journey_journey_changelist"),
            "imports_url": admin_url("segmentation_importrun_changelist"),
            "import_url": admin_url("segmentation_importrun_add")
            if admin.site.get_model_admin(ImportRun).has_add_permission(request)
            else None,
            "jobs_url": admin_url("segmentation_job_changelist"),
        }
    )
    return context
