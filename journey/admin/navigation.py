"""The side bar: the pages of the product in the groups people think in."""

from typing import Any, NamedTuple

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _


class Page(NamedTuple):
    """A link to the list of a model, or to another page of it."""

    title: Any
    icon: str
    name: str
    model: str
    query: str = ""
    view: str = "changelist"
    right: str = ""  # needed beside that to look at the model


GROUPS: list[tuple[Any, list[Page]]] = [
    (
        _("Accounts"),
        [
            Page(
                _("My accounts"),
                "star",
                "segmentation_listmembership",
                "segmentation.listmembership",
                view="mine",
                right="segmentation.propose_listmembership",
            ),
            Page(_("Accounts"), "apartment", "segmentation_account", "segmentation.account"),
            Page(
                _("Possible duplicates"), "join", "segmentation_duplicatecandidate", "segmentation.duplicatecandidate"
            ),
            Page(_("Merges"), "merge", "segmentation_accountmerge", "segmentation.accountmerge"),
            Page(_("Contacts"), "group", "segmentation_contact", "segmentation.contact"),
            Page(_("Sales teams"), "groups", "segmentation_salesteam", "segmentation.salesteam"),
            Page(_("Account flags"), "flag", "segmentation_accountflag", "segmentation.accountflag"),
            Page(_("Kinds of flags"), "bookmark", "segmentation_flagtype", "segmentation.flagtype"),
        ],
    ),
    (
        _("Target accounts"),
        [
            Page(
                _("Target account lists"), "format_list_bulleted", "segmentation_targetlist", "segmentation.targetlist"
            ),
            Page(
                _("List memberships"),
                "playlist_add_check",
                "segmentation_listmembership",
                "segmentation.listmembership",
            ),
            Page(_("Suggestions"), "lightbulb", "journey_suggestion", "journey.suggestion"),
            Page(
                _("Sources of suggestions"),
                "manage_search",
                "journey_suggestionsource",
                "journey.suggestionsource",
            ),
            Page(_("Look-alike models"), "model_training", "journey_lookalikemodel", "journey.lookalikemodel"),
            Page(
                _("Review queue"),
                "rule",
                "segmentation_listmembership",
                "segmentation.listmembership",
                view="review",
                right="segmentation.change_listmembership",
            ),
            Page(
                _("Requests to disqualify"),
                "person_off",
                "segmentation_disqualificationrequest",
                "segmentation.disqualificationrequest",
                "?decision=open",
            ),
            Page(_("Sales quotas"), "confirmation_number", "segmentation_salesquota", "segmentation.salesquota"),
            Page(_("Reasons"), "label", "segmentation_membershipreason", "segmentation.membershipreason"),
        ],
    ),
    (
        _("Segments"),
        [
            Page(_("Segments"), "account_tree", "segmentation_segment", "segmentation.segment"),
            Page(_("Goals"), "sports_score", "segmentation_segmentgoal", "segmentation.segmentgoal"),
            Page(_("Priority"), "leaderboard", "segmentation_segment", "segmentation.segment", view="priority"),
            Page(_("Health"), "monitor_heart", "segmentation_segment", "segmentation.segment", view="health"),
            Page(
                _("Performance"),
                "leaderboard",
                "segmentation_segment",
                "segmentation.segment",
                view="performance",
                right="journey.view_opportunity",
            ),
            Page(
                _("Markets"),
                "stacks",
                "journey_marketlevel",
                "journey.marketlevel",
                view="chart",
                right="segmentation.view_account",
            ),
            Page(_("Audiences"), "campaign", "segmentation_segment", "segmentation.segment", view="audiences"),
        ],
    ),
    (
        _("Plays"),
        [
            Page(_("Next actions"), "inbox", "segmentation_playsuggestion", "segmentation.playsuggestion"),
            Page(_("Plays"), "sports_score", "segmentation_play", "segmentation.play"),
        ],
    ),
    (
        _("Ideal customer"),
        [
            Page(_("Profiles"), "person_search", "segmentation_icpprofile", "segmentation.icpprofile"),
            Page(_("Checklists"), "checklist", "segmentation_icpversion", "segmentation.icpversion"),
            Page(_("Fit of accounts"), "verified", "segmentation_icpassessment", "segmentation.icpassessment"),
            Page(_("Answers"), "fact_check", "segmentation_icpanswer", "segmentation.icpanswer"),
        ],
    ),
    (
        _("Engagement"),
        [
            Page(_("Activities"), "bolt", "scoring_activity", "scoring.activity"),
            Page(_("Activity types"), "category", "scoring_activitytype", "scoring.activitytype"),
        ],
    ),
    (
        _("Intent"),
        [
            Page(
                _("Surging accounts"),
                "local_fire_department",
                "scoring_intenttopic",
                "scoring.intenttopic",
                view="surges",
                right="scoring.view_intentsignal",
            ),
            Page(_("Topics and keywords"), "sell", "scoring_intenttopic", "scoring.intenttopic"),
            Page(_("Intent signals"), "sensors", "scoring_intentsignal", "scoring.intentsignal"),
        ],
    ),
    (
        _("Journey"),
        [
            Page(
                _("Funnel"),
                "filter_alt",
                "journey_journey",
                "segmentation.account",
                view="funnel",
                right="journey.view_journey",
            ),
            Page(_("Journeys"), "route", "journey_journey", "journey.journey"),
            Page(_("Versions"), "layers", "journey_journeyversion", "journey.journeyversion"),
            Page(_("Histories"), "history", "journey_history", "journey.history"),
            Page(_("Opportunities"), "handshake", "journey_opportunity", "journey.opportunity"),
            Page(_("CRM stages"), "alt_route", "journey_crmstage", "journey.crmstage"),
            Page(_("Customer periods"), "event_available", "journey_customerperiod", "journey.customerperiod"),
            Page(_("Costs"), "payments", "journey_cost", "journey.cost"),
            Page(_("Exchange rates"), "currency_exchange", "journey_exchangerate", "journey.exchangerate"),
        ],
    ),
    (
        _("Data"),
        [
            Page(_("Imports"), "upload_file", "segmentation_importrun", "segmentation.importrun"),
            Page(_("Import mappings"), "table_convert", "segmentation_importmapping", "segmentation.importmapping"),
            Page(_("Custom fields"), "edit_attributes", "segmentation_customfield", "segmentation.customfield"),
            Page(_("Job title rules"), "badge", "segmentation_titlerule", "segmentation.titlerule"),
        ],
    ),
    (
        _("System"),
        [
            Page(_("Jobs"), "pending_actions", "segmentation_job", "segmentation.job"),
            Page(_("Users"), "person", "auth_user", "auth.user"),
            Page(_("User groups"), "shield_person", "auth_group", "auth.group"),
            Page(_("API tokens"), "key", "knox_authtoken", "knox.authtoken"),
            Page(_("Schedules"), "schedule", "django_q_schedule", "django_q.schedule"),
            Page(_("Tasks done"), "task_alt", "django_q_success", "django_q.success"),
            Page(_("Tasks failed"), "error", "django_q_failure", "django_q.failure"),
            Page(_("Tasks waiting"), "hourglass", "django_q_ormq", "django_q.ormq"),
        ],
    ),
]


def _allowed(request: HttpRequest) -> dict[str, bool]:
    """Return for every registered model whether the user may open its list."""
    return {
        model._meta.label_lower: model_admin.has_view_or_change_permission(request)
        for model, model_admin in admin.site._registry.items()
    }


def _link(page: Page) -> str | None:
    try:
        return reverse(f"admin:{page.name}_{page.view}") + page.query
    except NoReverseMatch:
        return None


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links this user may follow. A page that does not exist (yet) has no link."""
    allowed = _allowed(request)
    overview = {"title": _("Overview"), "icon": "dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [overview]}]
    for title, pages in GROUPS:
        items = [
            {"title": page.title, "icon": page.icon, "link": link}
            for page in pages
            if allowed.get(page.model)
            and (not page.right or request.user.has_perm(page.right))  # type: ignore[union-attr]
            and (link := _link(page))
        ]
        if items:
            groups.append({"title": title, "items": items, "separator": True, "collapsible": title == _("System")})
    _mark_active([item for group in groups[1:] for item in group["items"]], request.path)
    return groups


def _mark_active(items: list[dict[str, Any]], path: str) -> None:
    """Mark the link the page belongs to: of a list and a page below it only the page."""
    places = [item["link"].partition("?")[0] for item in items]
    nearest = max((place for place in places if path.startswith(place)), key=len, default="")
    for item, place in zip(items, places, strict=True):
        item["active"] = place == nearest


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the style sheet of the product's own pages."""
    return static("journey/admin.css")


def favicon(request: HttpRequest) -> str:
    """Return the address of the picture in the browser's tab."""
    return static("journey/favicon.svg")
