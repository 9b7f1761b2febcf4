"""Journeys, their versions and the histories made of them."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RelatedDropdownFilter
from unfold.decorators import display

from journey.admin.funnel.page import FunnelPages
from journey.admin.journey_pages import JourneyPages
from journey.admin.summaries import summary_of
from journey.admin.versions import VersionPages, rules_page_url
from journey.models import History, Journey, JourneyVersion
from journey.selectors.comparisons import weight_lines
from journey.services.replay import request_replay
from segmentation.admin.base import ProductAdmin, ReadOnlyAdmin, admin_url, chip
from segmentation.errors import ProblemError

STATE_COLOURS = {
    JourneyVersion.State.DRAFT: "#d97706",
    JourneyVersion.State.PUBLISHED: "#16a34a",
    History.State.BUILDING: "#2563eb",
    History.State.CURRENT: "#16a34a",
    History.State.OLD: "#94a3b8",
}


@admin.register(Journey)
class JourneyAdmin(FunnelPages, JourneyPages, ProductAdmin):
    counts_everything = True
    list_display = ["name", "key", "unit", "latest", "draft", "order"]
    list_editable = ["order"]
    list_filter = [("unit", ChoicesCheckboxFilter)]
    search_fields = ["name", "key"]
    fieldsets = [(None, {"fields": [("name", "key"), ("unit", "order"), "description"]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        published = Q(versions__state=JourneyVersion.State.PUBLISHED)
        return (
            super()
            .get_queryset(request)
            .annotate(
                latest_number=Max("versions__number", filter=published),
                draft_number=Max("versions__number", filter=~published),
            )
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Journey | None = None) -> list[str]:
        # Commands and the API name the key; the unit decides what every stay is about.
        return ["key", "unit"] if obj and obj.versions.exists() else []

    def has_delete_permission(self, request: HttpRequest, obj: Journey | None = None) -> bool:
        if obj and obj.versions.filter(state=JourneyVersion.State.PUBLISHED).exists():
            return False
        return super().has_delete_permission(request, obj)

    @display(description=_("published"), ordering="latest_number")
    def latest(self, journey: Any) -> Any:
        if journey.latest_number is None:
            return "-"
        return chip(f"v{journey.latest_number}", STATE_COLOURS[JourneyVersion.State.PUBLISHED])

    @display(description=_("draft"), ordering="draft_number")
    def draft(self, journey: Any) -> Any:
        if journey.draft_number is None:
            return "-"
        return chip(f"v{journey.draft_number}", STATE_COLOURS[JourneyVersion.State.DRAFT])


@admin.register(JourneyVersion)
class JourneyVersionAdmin(VersionPages, ProductAdmin):
    """What a version says, in sentences. A published one never changes; of a draft the rules are edited."""

    list_display = ["version", "state_chip", "note", "published_at", "published_by"]
    list_select_related = ["journey", "published_by"]
    list_filter = [("journey", RelatedDropdownFilter), ("state", ChoicesCheckboxFilter)]
    search_fields = ["journey__name", "note"]
    ordering = ["journey__order", "journey__name", "-number"]
    readonly_fields = [
        "journey", "number", "state_chip", "weights", "created_at", "created_by", "published_at", "published_by",
    ]  # fmt: skip
    fieldsets = [
        (None, {"fields": [("journey", "number", "state_chip"), "note"]}),
        (
            _("Details"),
            {
                "fields": ["weights", ("created_at", "created_by"), ("published_at", "published_by")],
                "classes": ["collapse"],
            },
        ),
    ]
    change_form_outer_before_template = "admin/journey/journeyversion/summary.html"

    @display(description=_("version"), ordering="number")
    def version(self, version: JourneyVersion) -> str:
        return str(version)

    @display(description=_("state"), ordering="state")
    def state_chip(self, version: JourneyVersion) -> Any:
        return chip(version.get_state_display(), STATE_COLOURS[JourneyVersion.State(version.state)])

    @display(description=_("engagement weights by seniority"))
    def weights(self, version: JourneyVersion) -> str:
        return ", ".join(weight_lines({"seniority_weights": version.seniority_weights}))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: JourneyVersion | None = None) -> bool:
        if obj and not obj.is_draft:
            return False
        return super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: JourneyVersion, form: Any, change: bool) -> None:
        # The database refuses to write the other columns of a published version, even with the values they have.
        obj.save(update_fields=["note"])

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context: dict[str, Any] = {}
        if (
            object_id
            and (version := self.get_object(request, object_id))
            and self.has_view_permission(request, version)
        ):
            context = {
                "version": version,
                "stages": summary_of(version),
                "rules_url": rules_page_url(version),
                "may_edit": self.has_change_permission(request, version),
            }
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})


@admin.register(History)
class HistoryAdmin(ReadOnlyAdmin):
    """Histories are derived: made by a replay, kept until a newer one has taken their place."""

    list_display = ["of", "state_chip", "refreshed", "entities", "intervals", "took"]
    list_select_related = ["version__journey"]
    list_filter = [("state", ChoicesCheckboxFilter), ("version__journey", RelatedDropdownFilter)]
    fieldsets = [
        (None, {"fields": [("version", "state_chip"), ("entities", "intervals")]}),
        (_("When"), {"fields": [("started_at", "built_at"), ("refreshed_at", "took"), "snapshot"]}),
    ]
    readonly_fields = ["state_chip", "took"]

    @display(description=_("history"))
    def of(self, history: History) -> str:
        return str(history)

    @display(description=_("state"), ordering="state")
    def state_chip(self, history: History) -> Any:
        return chip(history.get_state_display(), STATE_COLOURS[History.State(history.state)])

    @display(description=_("brought up to date"), ordering="refreshed_at")
    def refreshed(self, history: History) -> Any:
        return history.refreshed_at or history.built_at

    @display(description=_("seconds"))
    def took(self, history: History) -> str:
        parts = {"load": gettext("loading"), "compute": gettext("computing"), "write": gettext("writing")}
        found = [f"{parts.get(k, k)} {v:.1f}" for k, v in history.seconds.items() if isinstance(v, (int, float))]
        return ", ".join(found) or "-"

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("journey.add_history")  # type: ignore[union-attr]

    def get_urls(self) -> list[URLPattern]:
        rebuild = path("rebuild/", self.admin_site.admin_view(self.rebuild), name="journey_history_rebuild")
        return [rebuild, *super().get_urls()]

    def rebuild(self, request: HttpRequest) -> HttpResponse:
        """Ask for all histories to be made anew, in the background."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_rebuild_permission(request):
            raise PermissionDenied
        try:
            request_replay(user=request.user)
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            messages.success(request, gettext("The histories are being brought up to date in the background."))
        return HttpResponseRedirect(admin_url("index") or "/")
