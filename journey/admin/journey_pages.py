"""Making journeys, their drafts and their histories."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from journey.admin.rules_schema import unit_words
from journey.admin.versions import journey_url, may, only_post, rights_of, rules_page_url
from journey.models import History, Journey, JourneyVersion
from journey.selectors.versions import published_version, published_versions, version_document
from journey.services.replay import request_replay
from journey.services.versions import create_draft, create_journey
from journey.starting_points import SIMPLE, SMALLEST
from segmentation.admin.base import admin_url, chip
from segmentation.errors import ProblemError
from segmentation.models import Job

SLOW_TO_BEGIN = 20  # seconds after which a waiting job is worth a hint


class NewJourneyForm(forms.Form):
    """A journey and what it begins with."""

    name = forms.CharField(label=_("Name"), max_length=120, widget=UnfoldAdminTextInputWidget)
    key = forms.SlugField(
        label=_("Key"),
        max_length=60,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Short name used by commands and the API; it never changes. Empty: made from the name."),
    )
    description = forms.CharField(
        label=_("Description"), required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2})
    )
    unit = forms.ChoiceField(
        label=_("What moves through it"), choices=Journey.Unit.choices, widget=UnfoldAdminSelectWidget
    )
    start = forms.ChoiceField(
        label=_("Begin with"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("It becomes a draft; nothing counts before you publish it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.versions = {f"copy:{version.pk}": version for version in published_versions()}
        copies = [
            (key, gettext("A copy of %(version)s") % {"version": version}) for key, version in self.versions.items()
        ]
        self.fields["start"].choices = [  # type: ignore[attr-defined]
            ("simple", gettext("A simple journey with the usual stages")),
            ("smallest", gettext("Almost nothing: two stages")),
            *copies,
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("key") and cleaned.get("name") and "key" not in self.errors:
            cleaned["key"] = slugify(cleaned["name"])[:60].strip("-") or _free_key()
        return cleaned

    def document(self) -> dict[str, Any]:
        """What the journey begins with."""
        unit, start = self.cleaned_data["unit"], self.cleaned_data["start"]
        if start in self.versions:
            return {**version_document(self.versions[start]), "unit": unit}
        return (SMALLEST if start == "smallest" else SIMPLE)[unit]


def _free_key() -> str:
    """A key for a name without Latin letters."""
    taken = set(Journey.objects.filter(key__startswith="journey-").values_list("key", flat=True))
    return next(key for number in range(1, len(taken) + 2) if (key := f"journey-{number}") not in taken)


class JourneyPages:
    """Making journeys, their drafts and their histories, mixed into the admin of journeys."""

    admin_site: Any
    model: Any
    has_view_permission: Any
    has_add_permission: Any
    log_addition: Any
    log_change: Any
    change_form_outer_before_template = "admin/journey/journey/versions.html"

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Any) -> URLPattern:
            return path(f"<int:journey_id>/{name}/", self.admin_site.admin_view(view), name=f"journey_journey_{name}")

        return [
            page("draft", self.draft_view),
            page("rebuild", self.rebuild_view),
            page("progress", self.progress_view),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def _journey(self, request: HttpRequest, journey_id: int) -> Journey:
        journey = Journey.objects.filter(pk=journey_id).first()
        if not self.has_view_permission(request, journey):
            raise PermissionDenied
        if journey is None:
            raise Http404
        return journey

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a name and what to begin with; the rules come next."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewJourneyForm(request.POST or None, initial={"start": "simple", "unit": Journey.Unit.ACCOUNT})
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                version = create_journey(
                    key=given["key"],
                    name=given["name"],
                    description=given["description"],
                    document=form.document(),
                    user=request.user,
                )
            except ProblemError as problem:
                form.add_error(problem.field if problem.field in form.fields else None, str(problem))
            else:
                self.log_addition(request, version.journey, gettext("Journey made."))
                messages.success(
                    request,
                    gettext("%(journey)s is a draft now: look at its rules, then publish it.")
                    % {"journey": version.journey},
                )
                allowed = may(request, "view_journeyversion") or may(request, "change_journeyversion")
                return HttpResponseRedirect(rules_page_url(version) if allowed else journey_url(version.journey))
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "opts": self.model._meta,
            "title": gettext("New journey"),
            "form": form,
        }
        return TemplateResponse(request, "admin/journey/journey/create.html", context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        journey = Journey.objects.filter(pk=int(object_id)).first() if object_id and object_id.isdecimal() else None
        context = self._versions_context(request, journey) if journey else {}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})  # type: ignore[misc]

    def _versions_context(self, request: HttpRequest, journey: Journey) -> dict[str, Any]:
        current = Prefetch(
            "histories", History.objects.filter(state=History.State.CURRENT), to_attr="current_histories"
        )
        versions = list(
            journey.versions.select_related("published_by", "created_by").prefetch_related(current).order_by("-number")
        )
        for version in versions:
            version.journey = journey
        published = [version for version in versions if not version.is_draft]
        with_history = [version for version in published if version.current_histories]  # type: ignore[attr-defined]
        newest = published[0] if published else None
        return {
            **rights_of(request),
            "journey": journey,
            "version_rows": [_version_row(version, newest) for version in versions],
            "draft_version": next((version for version in versions if version.is_draft), None),
            "newest": newest,
            "waiting_version": newest if newest and newest not in with_history else None,
            "shown_number": with_history[0].number if with_history else None,
            "may_see_versions": may(request, "view_journeyversion") or may(request, "change_journeyversion"),
            "replay_state": replay_state(journey),
            "progress_url": reverse("admin:journey_journey_progress", args=[journey.pk]),
            "draft_url": reverse("admin:journey_journey_draft", args=[journey.pk]),
            "rebuild_url": reverse("admin:journey_journey_rebuild", args=[journey.pk]),
            "entities": unit_words(journey.unit)["many"],
        }

    def draft_view(self, request: HttpRequest, journey_id: int) -> HttpResponse:
        """Make a draft, as a copy of the version that is named or of the published one."""
        journey = self._journey(request, journey_id)
        if refusal := only_post(request, may(request, "add_journeyversion")):
            return refusal
        wanted = request.POST.get("version", "")
        based_on = journey.versions.filter(pk=wanted).first() if wanted.isdecimal() and len(wanted) < 19 else None
        if wanted and based_on is None:
            raise Http404
        try:
            draft = create_draft(journey=journey, user=request.user, based_on=based_on)
        except ProblemError as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(journey_url(journey))
        self.log_change(request, journey, gettext("Draft %(number)s made.") % {"number": draft.number})
        return HttpResponseRedirect(rules_page_url(draft))

    def rebuild_view(self, request: HttpRequest, journey_id: int) -> HttpResponse:
        """Ask for the history to be made anew, in the background."""
        journey = self._journey(request, journey_id)
        if refusal := only_post(request, may(request, "add_history")):
            return refusal
        if published_version(journey) is None:
            messages.error(request, gettext("No version is published yet, so there is no history to build."))
            return HttpResponseRedirect(journey_url(journey))
        try:
            request_replay(user=request.user, journey=journey, full=True)
        except ProblemError as problem:
            messages.error(request, str(problem))
        return HttpResponseRedirect(f"{journey_url(journey)}#versions")

    def progress_view(self, request: HttpRequest, journey_id: int) -> HttpResponse:
        """How far the replay of a journey is, for the page to ask again and again."""
        return JsonResponse(replay_state(self._journey(request, journey_id)))


def replay_state(journey: Journey) -> dict[str, Any]:
    """The unfinished replay that concerns a journey, or how the last one ended."""
    jobs = Job.objects.filter(Q(params__journey=journey.key) | Q(params__journey=None), kind="replay").order_by("-pk")
    job = jobs.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING]).first() or jobs.first()
    if job is None:
        return {"busy": False, "state": "", "progress": 0, "text": "", "error": ""}
    busy = job.state in (Job.State.QUEUED, Job.State.RUNNING)
    waited = (timezone.now() - job.created_at).total_seconds()
    if job.state == Job.State.QUEUED:
        text = gettext("Waiting to begin")
        if waited > SLOW_TO_BEGIN:
            text = gettext("Waiting to begin: is the background worker running? (manage.py jobs)")
    elif job.state == Job.State.RUNNING:
        text = job.step or gettext("Beginning")
    else:
        text = ""
    return {
        "busy": busy,
        "state": job.state,
        "progress": round(job.progress, 3) if busy else 1.0,
        "text": text,
        "error": (job.error.splitlines() or [""])[0] if job.state == Job.State.FAILED else "",
        "url": admin_url("segmentation_job_change", job.pk) or "",
        "job": job.pk,
    }


def _version_row(version: Any, newest: JourneyVersion | None) -> dict[str, Any]:
    history = version.current_histories[0] if version.current_histories else None
    urls = {
        name: reverse(f"admin:journey_journeyversion_{name}", args=[version.pk])
        for name in ("rules", "publish", "discard", "compare")
    }
    return {
        "version": version,
        "state": chip(version.get_state_display(), "#d97706" if version.is_draft else "#16a34a"),
        "history": history,
        "refreshed": history and (history.refreshed_at or history.built_at),
        "is_newest": version == newest,
        "urls": urls,
    }
