"""Intent topics with their keywords, and the signals of accounts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter, RelatedDropdownFilter
from unfold.decorators import display

from scoring.admin.activities import PeriodFilter
from scoring.models import IntentSignal, IntentTopic
from scoring.services.intent import assign_signals, clean_keywords, keyword_problems, refuse_if_used
from segmentation.admin.accounts import WithAccountFilter
from segmentation.admin.base import CappedPaginator, KeyedAdmin, ProductAdmin, ReadOnlyInline, admin_url, chip
from segmentation.errors import ProblemError
from segmentation.selectors.access import is_limited

KIND_COLOURS = {
    IntentTopic.Kind.BRAND: "#2563eb",
    IntentTopic.Kind.CATEGORY: "#14b8a6",
    IntentTopic.Kind.COMPETITOR: "#f97316",
}


def topic_chip(topic: IntentTopic) -> Any:
    """The name of a topic in the colour of its kind."""
    return chip(topic, KIND_COLOURS[IntentTopic.Kind(topic.kind)])


class TopicForm(forms.ModelForm):
    """Refuses keywords that would be found everywhere or belong to another topic."""

    def clean_keywords(self) -> list[str]:
        words = self.cleaned_data["keywords"]
        problems = keyword_problems(words, self.instance if self.instance.pk else None)
        if problems:
            raise ValidationError([str(problem) for problem in problems])
        return clean_keywords(words)


@admin.register(IntentTopic)
class IntentTopicAdmin(KeyedAdmin):
    """What accounts look into before they buy. A change applies to the whole past."""

    form = TopicForm
    empty_text = _("Make a topic with the words people search for before they buy.")
    list_display = ["name", "kind_chip", "words", "match_activities"]
    list_filter = [("kind", ChoicesCheckboxFilter)]
    search_fields = ["name", "key", "keywords"]
    fieldsets = [
        (None, {"fields": [("name", "key"), "kind", "description"]}),
        (
            _("Keywords"),
            {
                "fields": ["keywords", "match_activities"],
                "description": _("A change applies to the whole past: every history is brought up to date with it."),
            },
        ),
    ]

    @display(description=_("kind"), ordering="kind")
    def kind_chip(self, topic: IntentTopic) -> Any:
        return chip(topic.get_kind_display(), KIND_COLOURS[IntentTopic.Kind(topic.kind)])

    @display(description=_("keywords"))
    def words(self, topic: IntentTopic) -> str:
        more = len(topic.keywords) - 4
        return ", ".join(topic.keywords[:4]) + (f" +{more}" if more > 0 else "") or "-"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Rules name topics by their key, which the database does not know."""
        in_the_way = []
        for topic in objs:
            try:
                refuse_if_used(topic)
            except ProblemError as problem:
                in_the_way.append(str(problem))
        return ([], {}, set(), in_the_way) if in_the_way else super().get_deleted_objects(objs, request)


@admin.register(IntentSignal)
class IntentSignalAdmin(ProductAdmin):
    """Reported signals, newest first. Those made of activities follow from these and are not stored."""

    paginator = CappedPaginator
    show_full_result_count = False
    empty_text = _("Import signals from a file, or send them to the API.")
    sortable_by = ["occurred_at"]
    ordering = ["-occurred_at", "-id"]
    list_display = ["occurred_at", "whose", "about", "keyword", "number", "strength", "source"]
    list_select_related = ["account", "topic"]
    list_filter = [
        PeriodFilter,
        ("account", AutocompleteSelectFilter),
        ("topic", RelatedDropdownFilter),
        WithAccountFilter,
    ]
    search_fields = ["account__name", "company", "keyword"]
    autocomplete_fields = ["account", "topic"]
    readonly_fields = ["recorded_at"]
    list_before_template = "admin/scoring/intentsignal/assign.html"
    fieldsets = [
        (None, {"fields": [("account", "company"), ("topic", "keyword"), ("occurred_at", "number", "strength")]}),
        (_("Where it was seen"), {"fields": [("source", "url"), ("source_key", "recorded_at")]}),
    ]

    @display(description=_("account"))
    def whose(self, signal: IntentSignal) -> Any:
        return signal.account or gettext("%(company)s (unknown)") % {"company": signal.company}

    @display(description=_("topic"), ordering="topic")
    def about(self, signal: IntentSignal) -> Any:
        return topic_chip(signal.topic)

    def get_readonly_fields(self, request: HttpRequest, obj: IntentSignal | None = None) -> list[str]:
        return ["recorded_at", "source_key"] if obj else ["recorded_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.assign_view)
        return [path("assign/", view, name="scoring_intentsignal_assign"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        shown = {}
        if self.has_change_permission(request) and not is_limited(request.user):
            unknown = IntentSignal.objects.filter(account__isnull=True)[:10_000].count()
            shown = {"unknown": unknown, "assign_url": admin_url("scoring_intentsignal_assign")}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def assign_view(self, request: HttpRequest) -> HttpResponse:
        """Look again for the accounts of signals without one."""
        if not self.has_change_permission(request) or is_limited(request.user):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        assigned, left = assign_signals()
        text = gettext("%(assigned)s signals have found their account, %(left)s are of companies that are no account.")
        messages.success(request, text % {"assigned": assigned, "left": left})
        return HttpResponseRedirect(admin_url("scoring_intentsignal_changelist") or "")


class IntentSignalInline(ReadOnlyInline):
    """The reported signals of an account."""

    model = IntentSignal
    fields = ["occurred_at", "topic", "keyword", "number", "strength", "source"]
    readonly_fields = fields
    ordering = ["-occurred_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("topic")
