"""Suggestions for target account lists: the page to accept or decline, the sources, and how good the models are."""

from math import log
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from journey.admin.fit_figures import grade_chip
from journey.facts.attributes import attribute_dimensions
from journey.models import LookalikeModel, Suggestion, SuggestionSource
from journey.selectors.lookalikes import attribute_names, newest_model, problem_text, value_names
from journey.selectors.reviews import fits_of
from journey.selectors.stages import main_stays_at
from journey.selectors.suggestions import (
    RECENT_DAYS,
    Kind,
    State,
    Suggested,
    suggested_accounts,
    suggestions_in,
    with_reasons,
)
from journey.services.suggestions import (
    accept_suggestions,
    decline_suggestions,
    install_sources,
    reopen_suggestions,
    request_suggestions,
)
from journey.services.suggestions.sources import check_source
from segmentation.admin.base import KeyedAdmin, ReadOnlyAdmin, admin_url, chip, link, progress_bar, short_date
from segmentation.admin.dialogs import AskingMixin, NoteForm, why_form
from segmentation.errors import ProblemError
from segmentation.models import MembershipReason, SalesTeam, TargetList
from segmentation.selectors.access import is_limited, visible_to

PER_PAGE = 25
MOST_LEVELS = 15  # values of attributes that are shown at once: those that say most
KIND_COLOURS = {Kind.LOOKALIKE: "#7c3aed", Kind.BEHAVIOUR: "#ea580c"}
DeclineForm = why_form(MembershipReason.Use.REFUSE)


def accept_form() -> type[forms.Form]:
    """The form that asks onto which list, and why; a single list is chosen beforehand."""
    lists = TargetList.objects.filter(active=True).order_by("name")
    only = lists[0].pk if len(lists[:2]) == 1 else None
    target_list = forms.ModelChoiceField(
        label=_("Target account list"),
        queryset=lists,
        required=False,
        initial=only,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Empty: the list of the source of the suggestion, if it has one."),
    )
    base = why_form(MembershipReason.Use.ADD)
    order = ["target_list", "reason", "note"]
    return type("AcceptForm", (base,), {"target_list": target_list, "field_order": order})


@admin.register(Suggestion)
class SuggestionAdmin(AskingMixin, ReadOnlyAdmin):
    """Suggested accounts, the best first, with why; accepted and declined here, one by one or many at once."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"journey_suggestion_{name}")

        return [page("run/", self.run_view, "run"), *super().get_urls()]

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whoever decides puts accounts on lists, of every team."""
        may = request.user.has_perms(("journey.change_suggestion", "segmentation.add_listmembership"))  # type: ignore[union-attr]
        return may and not is_limited(request.user)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._decide(request)
        asked = request.GET
        state = asked.get("state", "") if asked.get("state") in State.values else str(State.OPEN)
        rows = visible_to(suggestions_in(state), request.user)
        sources = list(SuggestionSource.objects.select_related("target_list"))
        source = next((one for one in sources if one.key == asked.get("source")), None)
        rows = rows.filter(source=source) if source else rows
        teams = list(visible_to(SalesTeam.objects.all(), request.user))
        team = next((one for one in teams if one.key == asked.get("team")), None)
        rows = rows.filter(account__team=team) if team else rows
        words = " ".join(asked.get("q", "").replace("\x00", "").split())[:100]
        if words:
            rows = rows.filter(account__name__icontains=words) | rows.filter(account__domain__icontains=words)
        page = Paginator(suggested_accounts(rows), PER_PAGE).get_page(asked.get("p"))
        now, limited = timezone.now(), is_limited(request.user)
        may = request.user.has_perm  # type: ignore[union-attr]
        measured = not limited and may("scoring.view_activity")
        every = visible_to(suggestions_in(state), request.user)
        found = with_reasons([pk for pk, _best in page], every, now, rules=measured)
        ids = [one.pk for one in found]
        fits = fits_of(ids) if may("segmentation.view_icpassessment") and ids else {}
        stays = {stay.entity_id: stay for stay in main_stays_at(now, ids)} if ids else {}
        return TemplateResponse(
            request,
            "admin/journey/suggestion/page.html",
            {
                **self.admin_site.each_context(request),
                "title": _("Suggestions"),
                "opts": self.model._meta,
                "page": page,
                "rows": [_row(one, fits, stays.get(one.pk), may("scoring.view_activity")) for one in found],
                "sources": sources,
                "chosen": source,
                "state": state,
                "states": State.choices,
                "teams": teams,
                "team": team,
                "words": words,
                "filtered": bool(source or team or words or state != State.OPEN),
                "problems": [] if limited else _problems(sources),
                "models": [] if limited else _models(request, sources),
                "may_decide": self.has_decide_permission(request),
                "run_url": admin_url("journey_suggestion_run"),
                "sources_url": admin_url("journey_suggestionsource_changelist"),
                "may_see_sources": may("journey.view_suggestionsource") and not limited,
                "days": RECENT_DAYS,
            },
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A suggestion is looked at where it can be decided."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return HttpResponseRedirect(f"{admin_url('journey_suggestion_changelist')}?state={row.state}&q={row.account}")

    def run_view(self, request: HttpRequest) -> HttpResponse:
        """Look for suggestions in the background; where there is no source yet, make the ready-made ones first."""
        if request.method != "POST" or not self.has_decide_permission(request):
            raise PermissionDenied
        if not SuggestionSource.objects.exists():
            try:
                install_sources(user=request.user)
            except ProblemError as problem:
                messages.error(request, str(problem))
                return HttpResponseRedirect(admin_url("journey_suggestion_changelist") or "")
        job = request_suggestions(user=request.user)
        messages.success(request, gettext("The search is queued: it will take some seconds."))
        if request.user.has_perm("segmentation.view_job"):  # type: ignore[union-attr]
            return HttpResponseRedirect(admin_url("segmentation_job_change", job.pk) or "")
        return HttpResponseRedirect(admin_url("journey_suggestion_changelist") or "")

    def _decide(self, request: HttpRequest) -> HttpResponse:
        """Ask about, then carry out a decision. What was decided meanwhile is told by the service."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        action = next((name for name in ("accept", "decline", "reopen") if f"{name}_one" in request.POST), "")
        one = request.POST.get(f"{action}_one") if action else None
        action = action or request.POST.get("action", "")
        words = [one] if one else request.POST.getlist(ACTION_CHECKBOX_NAME)
        ids = [int(word) for word in words if word and word.isdecimal() and len(word) < 19]
        rows = suggestions_in(State.DECLINED if action == "reopen" else State.OPEN).filter(account__in=ids)
        chosen = [Suggested(row.account) for row in rows.select_related("account").order_by("account", "place")]
        chosen = list({suggested.pk: suggested for suggested in chosen}.values())
        if action not in _DECISIONS or not chosen:
            messages.warning(request, gettext("Choose at least one account first."))
            return HttpResponseRedirect(request.get_full_path())
        verb, title, submit, description, said = _DECISIONS[action]
        form = accept_form() if action == "accept" else {"decline": DeclineForm, "reopen": NoAnswerForm}[action]
        return self.ask_and_do(
            request,
            chosen,
            form,
            lambda answers: _accounts(verb(suggestions=list(rows), user=request.user, **answers)),
            said,
            title=title,
            submit_text=submit,
            description=description,
            action=action,
            list_url=request.get_full_path(),
        )


class NoAnswerForm(NoteForm):
    """Nothing is asked."""

    note = None  # type: ignore[assignment]


def _accounts(rows: list[Any]) -> list[int]:
    return sorted({row.account_id for row in rows})


_DECISIONS: dict[str, Any] = {
    "accept": (
        accept_suggestions,
        _("Accept what is chosen"),
        _("Accept"),
        _(
            "The accounts come onto the list and are active at once. Without reason and note, what the suggestion rests"
            " on is noted. All of them or none."
        ),
        lambda n: (
            ngettext("%(number)d account is on the list.", "%(number)d accounts are on the list.", n) % {"number": n}
        ),
    ),
    "decline": (
        decline_suggestions,
        _("Decline what is chosen"),
        _("Decline"),
        _(
            "The accounts come back only when something changes: another value of a field the model reads, half as much"
            " again behind the suggestion, a criterion that did not hold, or interest that begins anew."
        ),
        lambda n: ngettext("%(number)d account is declined.", "%(number)d accounts are declined.", n) % {"number": n},
    ),
    "reopen": (
        reopen_suggestions,
        _("Look at what is chosen again"),
        _("Put back"),
        _("Declined accounts wait for a decision again."),
        lambda n: ngettext("%(number)d account waits again.", "%(number)d accounts wait again.", n) % {"number": n},
    ),
}


def _row(one: Suggested, fits: Any, stay: Any, see_engagement: bool) -> dict[str, Any]:
    account = one.account
    return {
        "key": account.pk,
        "name": str(account),
        "account": link(admin_url("segmentation_account_change", account.pk), account),
        "about": " · ".join(
            part for part in (account.domain, account.industry, account.country or account.region) if part
        ),
        "stage": chip(stay.stage, stay.stage.color) if stay else "",
        "fits": [
            {"grade": grade_chip(fit.assessment.grade), "score": fit.assessment.score, "version": fit.version}
            for fit in fits.get(account.pk, [])
        ],
        "suggestions": [
            {
                "row": row,
                "kind": chip(row.source, KIND_COLOURS[Kind(row.source.kind)]),
                "is_alike": row.source.kind == Kind.LOOKALIKE,
                "chance": round(100 * told["chance"]) if (told := one.why[row.pk]).get("chance") is not None else None,
                "why": told if row.source.kind == Kind.LOOKALIKE or see_engagement else {},
                "decided": " · ".join(str(part) for part in (row.decided_by, row.reason, row.note) if part),
            }
            for row in one.suggestions
        ],
    }


def _problems(sources: list[SuggestionSource]) -> list[dict[str, Any]]:
    return [
        {"source": source, "text": problem_text(source.problem), "at": source.run_at}
        for source in sources
        if source.active and source.problem
    ]


def _models(request: HttpRequest, sources: list[SuggestionSource]) -> list[dict[str, Any]]:
    """The models in use with their figures."""
    if not request.user.has_perm("journey.view_lookalikemodel"):  # type: ignore[union-attr]
        return []
    alike = [source for source in sources if source.active and source.kind == Kind.LOOKALIKE]
    return [
        {"model": model, "url": admin_url("journey_lookalikemodel_change", model.pk), **figures(model)}
        for source in alike
        if (model := newest_model(source)) is not None
    ]


def figures(model: LookalikeModel) -> dict[str, Any]:
    """The figures of a model's evaluation, as pages show them."""
    told = model.evaluation
    size = next((k for k in ("100", "50", "25") if k in told["precision"]), None)
    return {
        "evaluation": told,
        "base": 100 * told["base"],
        "size": size,
        "precision": 100 * told["precision"][size] if size else None,
    }


# --- Sources -------------------------------------------------------------------------------------------------------


class SourceForm(forms.ModelForm):
    """A source, with the attributes there are to choose from."""

    attributes = forms.MultipleChoiceField(
        label=_("Attributes"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_(
            "To look alike: what the model may compare. None: everything that is known before a sale. Custom fields"
            " that are filled in the course of a sale would tell who is a customer, not who will be."
        ),
    )

    class Meta:
        model = SuggestionSource
        fields = [
            "name",
            "key",
            "kind",
            "active",
            "target_list",
            "most",
            "journey",
            "stage",
            "attributes",
            "least_customers",
            "least_lift",
            "segment",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "attributes" in self.fields:
            offered = attribute_dimensions().items()
            self.fields["attributes"].choices = [(key, dimension.label) for key, dimension in offered]  # type: ignore[attr-defined]

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        names = ("kind", "journey", "segment", "attributes")
        if not self.errors:
            try:
                check_source(SuggestionSource(**{name: cleaned[name] for name in names if name in cleaned}))
            except ProblemError as problem:
                self.add_error(problem.field if problem.field in self.fields else None, str(problem))
        return cleaned


@admin.register(SuggestionSource)
class SuggestionSourceAdmin(KeyedAdmin):
    """Where suggestions come from."""

    counts_everything = True
    form = SourceForm
    list_display = ["name_shown", "kind_chip", "target_list", "waiting", "run_day", "found_nothing", "active"]
    list_filter = ["kind", "active"]
    list_select_related = ["target_list"]
    search_fields = ["name", "key"]
    empty_text = _("Open “Suggestions” and let the ready-made sources be made.")
    fieldsets = [
        (None, {"fields": [("name", "key"), ("kind", "active"), ("target_list", "most"), ("journey", "stage")]}),
        (_("Look like customers"), {"fields": ["attributes", ("least_customers", "least_lift")]}),
        (_("Show interest"), {"fields": ["segment"]}),
    ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "attributes":
            return SourceForm.declared_fields["attributes"]
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description=_("name"), ordering="name")
    def name_shown(self, source: SuggestionSource) -> str:
        return str(source)

    @display(description=_("kind"), ordering="kind")
    def kind_chip(self, source: SuggestionSource) -> Any:
        return chip(source.get_kind_display(), KIND_COLOURS[Kind(source.kind)])

    @display(description=_("waiting"))
    def waiting(self, source: SuggestionSource) -> Any:
        number = suggestions_in(State.OPEN).filter(source=source).count()
        return link(f"{admin_url('journey_suggestion_changelist')}?source={source.key}", number)

    @display(description=_("last run"), ordering="run_at")
    def run_day(self, source: SuggestionSource) -> str:
        return short_date(source.run_at)

    @display(description=_("why it found nothing"))
    def found_nothing(self, source: SuggestionSource) -> str:
        return problem_text(source.problem) or "–"


# --- Models --------------------------------------------------------------------------------------------------------


@admin.register(LookalikeModel)
class LookalikeModelAdmin(ReadOnlyAdmin):
    """Every model that was made, with how it did with customers it had not seen."""

    counts_everything = True
    list_display = ["version", "made_at", "customers", "accounts", "auc", "lift"]
    list_select_related = ["source"]
    list_filter = ["source"]
    empty_text = _("A model is made when suggestions are looked for and there are enough customers.")

    @display(description=_("look-alike model"), ordering="number")
    def version(self, model: LookalikeModel) -> str:
        return str(model)

    @display(description=_("AUC"))
    def auc(self, model: LookalikeModel) -> str:
        told = model.evaluation
        return f"{told['auc']:.2f} ({told['low']:.2f} – {told['high']:.2f})"

    @display(description=_("lift of the first tenth"))
    def lift(self, model: LookalikeModel) -> str:
        return f"{model.evaluation['lift']:.1f}"

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """How good a model is, and what it learnt."""
        model = self.get_object(request, object_id)
        if model is None:
            raise Http404
        if not self.has_view_permission(request, model):
            raise PermissionDenied
        names = attribute_names([*model.parameters["attributes"], *(level["attribute"] for level in model.levels)])
        tenths = model.evaluation["tenths"]
        most = max((tenth["customers"] for tenth in tenths), default=0) or 1
        levels = sorted(model.levels, key=lambda level: -level["factor"])
        said = sorted(levels, key=lambda level: -abs(log(level["factor"])))[:MOST_LEVELS]
        strong = [level for level in levels if level in said]
        return TemplateResponse(
            request,
            "admin/journey/lookalikemodel/page.html",
            {
                **self.admin_site.each_context(request),
                "title": str(model),
                "opts": self.model._meta,
                "model": model,
                **figures(model),
                "tenths": [
                    tenth
                    | {"number": number, "bar": progress_bar(tenth["customers"] / most, f"{tenth['customers']:.0f}")}
                    for number, tenth in enumerate(tenths, start=1)
                ],
                "precisions": [
                    {"size": int(size), "share": 100 * share, "times": share / model.evaluation["base"]}
                    for size, share in sorted(model.evaluation["precision"].items(), key=lambda item: int(item[0]))
                ],
                "levels": _shown_levels(strong, names),
                "weaker": _shown_levels([level for level in levels if level not in strong], names),
                "compared": [names[key] for key in model.parameters["attributes"]],
                "others": LookalikeModel.objects.filter(source=model.source)
                .exclude(pk=model.pk)
                .order_by("-number")[:20],
                "list_url": admin_url("journey_suggestion_changelist"),
            },
        )


def _shown_levels(levels: list[dict[str, Any]], names: dict[str, str]) -> list[dict[str, Any]]:
    """What a model learnt of values, in words and per cent."""
    return [
        level
        | {
            "attribute": names[level["attribute"]],
            "value": value_names(level["attribute"], level["value"]),
            "share": 100 * level["share"],
            "customers": 100 * level["customers"],
        }
        for level in levels
    ]
