"""Plays, and the queue of what they suggest."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from journey.admin.ready_made import make_ready_made
from journey.ready_made_audiences import install_plays
from journey.selectors.plays import play_figures
from segmentation.admin.base import (
    KeyedAdmin,
    QuietChangeList,
    ReadOnlyAdmin,
    ReadOnlyInline,
    admin_url,
    chip,
    link,
)
from segmentation.admin.dialogs import AskingMixin, NoteForm, asking_action
from segmentation.models import Play, PlaySuggestion
from segmentation.selectors.access import is_limited
from segmentation.services.plays import (
    FIELDS,
    accept_suggestions,
    dismiss_suggestions,
    finish_suggestions,
    save_play,
    suggest_actions,
    trigger_choices,
)

State = PlaySuggestion.State
COLOURS = {
    State.OPEN: "#d97706",
    State.ACCEPTED: "#2563eb",
    State.DONE: "#16a34a",
    State.DISMISSED: "#64748b",
    State.LAPSED: "#94a3b8",
}


def rate_text(interval: Any) -> str:
    """A rate with its interval, in per cent."""
    if interval is None:
        return "–"
    return f"{100 * interval.rate:.0f} % ({100 * interval.low:.0f}–{100 * interval.high:.0f})"


class PlayChangeList(QuietChangeList):
    """Fetches the figures of the plays that are shown, of the suggestions the user may see."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        figures = play_figures(self.result_list, request.user)
        for play in self.result_list:
            play.figures = figures[play.pk]


@admin.register(Play)
class PlayAdmin(KeyedAdmin):
    """What to do when accounts begin to do something."""

    empty_text = _("Make a play, or begin with the ready-made ones above.")
    list_display = ["name", "trigger", "is_on", "suggested", "waiting", "acceptance", "outcome"]
    list_select_related = ["trigger"]
    search_fields = ["name", "key", "action"]
    autocomplete_fields = ["owner"]
    list_before_template = "admin/segmentation/play/before.html"
    fieldsets = [
        (None, {"fields": [("name", "key"), "trigger", ("observed", "wanted")]}),
        (_("What to do"), {"fields": ["action", "content", "goal", "owner"]}),
        (_("When"), {"fields": [("cool_down_days", "include_present"), "active"]}),
    ]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "trigger":
            kwargs["queryset"] = trigger_choices()
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "trigger" and field is not None:
            field.widget.can_add_related = field.widget.can_change_related = field.widget.can_delete_related = False
        return field

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlayChangeList

    @display(description=_("active"), boolean=True)
    def is_on(self, play: Play) -> bool:
        return play.active

    @display(description=_("suggested"))
    def suggested(self, play: Any) -> Any:
        url = f"{admin_url('segmentation_playsuggestion_changelist')}?play__id__exact={play.pk}&state=all"
        return link(url, play.figures.suggested)

    @display(description=_("open"))
    def waiting(self, play: Any) -> int:
        return play.figures.open

    @display(description=_("accepted, with 95 % interval"))
    def acceptance(self, play: Any) -> str:
        return rate_text(play.figures.acceptance)

    @display(description=_("goal reached, with 95 % interval"))
    def outcome(self, play: Any) -> str:
        return rate_text(play.figures.outcome)

    def save_model(self, request: HttpRequest, obj: Play, form: Any, change: bool) -> None:
        stored = Play.objects.get(pk=obj.pk) if change else None
        given: dict[str, Any] = {name: getattr(obj, name) for name in FIELDS}
        if not change:
            given["key"] = obj.key
        saved = save_play(play=stored, **given)
        obj.pk, obj.started_at = saved.pk, saved.started_at

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_play_{name}")

        return [
            page("examples/", self.examples_view, "examples"),
            page("suggest/", self.suggest_view, "suggest"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(
            request,
            {
                **(extra_context or {}),
                "may_change": self.has_change_permission(request) and not is_limited(request.user),
                "may_add": self.has_add_permission(request),
                "queue_url": admin_url("segmentation_playsuggestion_changelist"),
                "trigger_url": f"{admin_url('segmentation_segment_add')}?purpose=trigger",
                "examples_url": admin_url("segmentation_play_examples"),
                "suggest_url": admin_url("segmentation_play_suggest"),
            },
        )

    def examples_view(self, request: HttpRequest) -> HttpResponse:
        """Make the ready-made plays that are missing."""
        may_add_segment = request.user.has_perm("segmentation.add_segment")  # type: ignore[union-attr]
        return make_ready_made(
            request,
            install_plays,
            is_allowed=self.has_add_permission(request) and may_add_segment,
            said=lambda n: ngettext("%(n)s play was made.", "%(n)s plays were made.", n) % {"n": n},
            nothing_said=gettext("All ready-made plays are there already."),
            back="segmentation_play_changelist",
        )

    def suggest_view(self, request: HttpRequest) -> HttpResponse:
        """Make the suggestions that are due, by the memberships as they are."""
        if not self.has_change_permission(request) or is_limited(request.user):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        done = suggest_actions(now=timezone.now())
        number = sum(done.made.values())
        text = ngettext("%(n)s new suggestion.", "%(n)s new suggestions.", number) % {"n": number}
        if done.waiting:
            text += " " + gettext("Still being worked out: %(plays)s.") % {"plays": ", ".join(done.waiting)}
        messages.success(request, text)
        return HttpResponseRedirect(admin_url("segmentation_playsuggestion_changelist") or "")


class StateFilter(DropdownFilter):
    """What waits for an answer unless another state is asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("live", _("Open or accepted")), ("all", _("All")), *State.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case None | "" | "live":
                return queryset.filter(state__in=PlaySuggestion.LIVE)
            case "all":
                return queryset
            case state:
                return queryset.filter(state=state)


class ResultForm(NoteForm):
    """What came of it."""

    result = forms.ChoiceField(
        label=_("Result"), choices=PlaySuggestion.Result.choices, widget=UnfoldAdminSelectWidget, required=True
    )
    field_order = ["result", "note"]


class ReasonForm(NoteForm):
    """Why not."""

    note = forms.CharField(
        label=_("Reason"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Why it does not suit: the play gets better by it."),
    )

    def clean_note(self) -> str:
        text = str(self.cleaned_data["note"]).strip()
        if not text:
            raise ValidationError(_("Say why."))
        return text


def decided_text(number: int) -> str:
    """Say how many suggestions were answered."""
    return ngettext("%(n)s suggestion is answered.", "%(n)s suggestions are answered.", number) % {"n": number}


@admin.register(PlaySuggestion)
class PlaySuggestionAdmin(AskingMixin, ReadOnlyAdmin):
    """The queue: what to do next, for which account. Answered by the actions of the list."""

    empty_text = _("Nothing to do: no account meets the trigger of an active play now.")
    list_display = ["account", "play_name", "todo", "state_chip", "since", "whose", "what_came"]
    list_select_related = ["account", "account__team", "play"]
    list_filter = [StateFilter, ("play", RelatedDropdownFilter), ("account", AutocompleteSelectFilter)]
    search_fields = ["account__name", "play__name", "note"]
    ordering = ["-made_at", "-id"]
    sortable_by = ["account", "since"]
    fieldsets = [
        (None, {"fields": [("account", "play"), "todo", "content", "goal", ("trigger_text", "why_link")]}),
        (_("What became of it"), {"fields": [("state", "result"), "note", ("decided_by", "accepted_at", "closed_at")]}),
    ]
    readonly_fields = ["todo", "content", "goal", "trigger_text", "why_link"]
    actions = ["accept_selected", "done_selected", "dismiss_selected"]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("segmentation.change_playsuggestion")  # type: ignore[union-attr]

    @display(description=_("play"), ordering="play")
    def play_name(self, row: PlaySuggestion) -> str:
        return str(row.play)

    @display(description=_("what to do"))
    def todo(self, row: PlaySuggestion) -> str:
        return gettext(row.play.action)

    @display(description=_("content"))
    def content(self, row: PlaySuggestion) -> str:
        return gettext(row.play.content) if row.play.content else "-"

    @display(description=_("goal"))
    def goal(self, row: PlaySuggestion) -> str:
        return gettext(row.play.goal) if row.play.goal else "-"

    @display(description=_("why"))
    def trigger_text(self, row: PlaySuggestion) -> str:
        observed = gettext(row.play.observed) if row.play.observed else str(row.play)
        day = timezone.localtime(row.trigger_at).date().isoformat()
        return gettext("%(observed)s Since %(day)s.") % {"observed": observed, "day": day}

    @display(description=_("figures"))
    def why_link(self, row: PlaySuggestion) -> Any:
        url = admin_url("segmentation_segment_why", row.play.trigger_id)
        return link(f"{url}?account=%23{row.account_id}", gettext("Show every figure"))

    @display(description=_("state"), ordering="state")
    def state_chip(self, row: PlaySuggestion) -> Any:
        return chip(row.get_state_display(), COLOURS[State(row.state)])

    @display(description=_("since"), ordering="trigger_at")
    def since(self, row: PlaySuggestion) -> Any:
        return timezone.localtime(row.trigger_at).date()

    @display(description=_("owner"))
    def whose(self, row: PlaySuggestion) -> str:
        return row.account.owner or str(row.account.team or "-")

    @display(description=_("result"))
    def what_came(self, row: PlaySuggestion) -> str:
        return " · ".join(part for part in (row.get_result_display(), row.note) if part) or "-"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if not is_limited(request.user):
            return found
        first = [["trigger_text"] if "why_link" in row else row for row in found[0][1]["fields"]]  # rules stay hidden
        return [(found[0][0], {"fields": first}), *found[1:]]

    accept_selected = asking_action(
        lambda rows, **answers: accept_suggestions(suggestions=rows, **answers),
        title=_("Accept selected suggestions"),
        submit_text=_("Accept"),
        description=_("You will act on them. Say later what came of it."),
        said=decided_text,
    )
    done_selected = asking_action(
        lambda rows, **answers: finish_suggestions(suggestions=rows, **answers),
        title=_("Selected suggestions are done"),
        submit_text=_("Done"),
        description=_("They were acted on. The result tells how well the play works."),
        form=ResultForm,
        said=decided_text,
    )
    dismiss_selected = asking_action(
        lambda rows, **answers: dismiss_suggestions(suggestions=rows, **answers),
        title=_("Dismiss selected suggestions"),
        submit_text=_("Dismiss"),
        description=_("Nothing will be done. They do not come back before the play may suggest again."),
        form=ReasonForm,
        said=decided_text,
    )


class PlaySuggestionInline(ReadOnlyInline):
    """What plays suggested for an account."""

    model = PlaySuggestion
    fields = ["play", "state", "trigger_at", "result", "note"]
    readonly_fields = fields
    ordering = ["-made_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("play")


__all__ = ["PlayAdmin", "PlaySuggestionAdmin", "PlaySuggestionInline"]
