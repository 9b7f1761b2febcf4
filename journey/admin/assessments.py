"""The fit of accounts in the admin: the page of an account's fit, answering there and for many accounts at once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesCheckboxFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from journey.admin.fit_figures import STATE_COLOURS, grade_chip, history_figure
from journey.selectors.assessments import (
    STATES,
    assessment_history,
    fit_now,
    present_details,
    state_name,
)
from journey.services.assessments import assess
from segmentation.admin.base import ReadOnlyAdmin, admin_url, chip
from segmentation.engine.fit import SCALE
from segmentation.errors import ProblemError
from segmentation.models import Account, IcpAnswer, IcpAssessment, IcpItem, IcpVersion
from segmentation.selectors.profiles import published_profile_versions
from segmentation.services.profiles import record_answers

VALUES: dict[str, Any] = {"": None, "yes": True, "no": False}


def answer_text(kind: str, value: int | None) -> str:
    """A stored answer in words."""
    if value is None:
        return gettext("not known")
    if kind == IcpItem.Kind.YES_NO:
        return gettext("yes") if value else gettext("no")
    return gettext("%(value)s of %(most)s") % {"value": value, "most": SCALE[1]}


def given_value(text: str) -> Any:
    """What was chosen in a form. A text that is no answer stays one, and the service refuses it in words."""
    if text in VALUES:
        return VALUES[text]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else text


@admin.register(IcpAnswer)
class IcpAnswerAdmin(ReadOnlyAdmin):
    """Everything that was answered. New answers are given in the list of accounts; none is changed."""

    list_display = ["account", "profile", "asked", "shown_value", "note", "answered_by", "answered_at"]
    list_select_related = ["account", "profile", "answered_by"]
    list_filter = [("profile", RelatedDropdownFilter), ("account", AutocompleteSelectFilter)]
    search_fields = ["account__name", "item_key", "note"]
    empty_text = _("People answer on the page of an account's fit, or for many accounts at once in their list.")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the statement of each item as the latest version of the profile words it."""
        items = IcpItem.objects.filter(version__profile=OuterRef("profile"), key=OuterRef("item_key"))
        return (
            super()
            .get_queryset(request)
            .annotate(item_text=Subquery(items.order_by("-version__number").values("text")[:1]))
        )

    @display(description=_("item"), ordering="item_key")
    def asked(self, answer: Any) -> str:
        return gettext(answer.item_text) if answer.item_text else answer.item_key

    @display(description=_("answer"), ordering="value")
    def shown_value(self, answer: IcpAnswer) -> str:
        return answer_text(answer.kind, answer.value)


class PresentFilter(DropdownFilter):
    """The fit there is now, unless the past is asked for."""

    title = _("when")
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("now", _("now")), ("past", _("in the past")), ("all", _("now and in the past"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "all":
            return queryset
        now = Q(ended_at__isnull=True, version__in=[version.pk for version in published_profile_versions()])
        return queryset.exclude(now) if self.value() == "past" else queryset.filter(now)


@admin.register(IcpAssessment)
class IcpAssessmentAdmin(ReadOnlyAdmin):
    """The fit of accounts, present and past. A row leads to the page of the account's fit."""

    show_full_result_count = False
    list_display = ["account", "version", "score", "grade_label", "coverage", "made_at", "ended_at"]
    list_select_related = ["account", "version__profile"]
    list_filter = [
        PresentFilter,
        ("version__profile", RelatedDropdownFilter),
        ("grade", ChoicesCheckboxFilter),
        ("account", AutocompleteSelectFilter),
    ]
    search_fields = ["account__name"]
    empty_text = _("Publish the checklist of a profile: all accounts are assessed by it then.")

    @display(description=_("grade"), ordering="grade")
    def grade_label(self, assessment: IcpAssessment) -> Any:
        return grade_chip(assessment.grade)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """What there is to say of an assessment stands on the page of the account's fit."""
        assessment = self.get_object(request, object_id)
        if assessment is None or not self.has_view_permission(request, assessment):
            return super().change_view(request, object_id, form_url, extra_context)
        return HttpResponseRedirect(admin_url("segmentation_account_fit", assessment.account_id) or "")


class AnswerForm(BaseDialogForm):
    """One item of a published checklist, and what is true of the accounts."""

    item = forms.ChoiceField(label=_("Item"), widget=UnfoldAdminSelectWidget)
    value = forms.ChoiceField(
        label=_("Answer"),
        widget=UnfoldAdminSelectWidget,
        choices=[
            ("", _("Not known")),
            (_("Yes or no"), [("yes", _("Yes")), ("no", _("No"))]),
            (_("Scale"), [(str(n), str(n)) for n in range(SCALE[0], SCALE[1] + 1)]),
        ],
        required=False,
        help_text=_("On a scale 1 is not at all, 5 is fully."),
    )
    note = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=IcpAnswer._meta.get_field("note").max_length,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = ~Q(kind=IcpItem.Kind.RULE)
        self.fields["item"].choices = [  # type: ignore[attr-defined]
            (
                str(version),
                [
                    (f"{version.pk}:{item.key}", str(item))
                    for item in version.items.filter(asked).order_by("order", "id")
                ],
            )
            for version in published_profile_versions()
        ]


class FitMixin:
    """What the fit adds to accounts: an action of their list, a card on their page, and a page of its own."""

    actions = ["answer_selected"]
    admin_site: Any
    model: Any

    def get_urls(self) -> list[URLPattern]:
        fit = path("<int:pk>/fit/", self.admin_site.admin_view(self.fit_view), name="segmentation_account_fit")
        return [fit, *super().get_urls()]  # type: ignore[misc]

    def has_answer_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perms(["segmentation.view_account", "segmentation.add_icpanswer"])  # type: ignore[union-attr]

    def fit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The fit of an account with its reasons, history and answers; a POST answers an item."""
        if not request.user.has_perms(["segmentation.view_account", "segmentation.view_icpassessment"]):  # type: ignore[union-attr]
            raise PermissionDenied
        account = self.get_queryset(request).filter(pk=pk).first()  # type: ignore[attr-defined]
        if account is None:
            raise Http404
        may_answer = self.has_answer_permission(request)
        if request.method == "POST":
            if not may_answer:
                raise PermissionDenied
            return self._answer_one(request, account)
        history = assessment_history(account.pk)
        return TemplateResponse(
            request,
            "admin/segmentation/account/fit_page.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "original": account,
                "account": account,
                "account_url": admin_url("segmentation_account_change", account.pk),
                "profiles_url": admin_url("segmentation_icpprofile_changelist"),
                "may_answer": may_answer,
                "scale": range(SCALE[0], SCALE[1] + 1),
                "fits": [fit_rows(version, details) for version, details in fit_now(account, timezone.now(), history)],
                "history": [(past.assessment, past.until, grade_chip(past.assessment.grade)) for past in history],
                "figures": {"history": history_figure(history)} if history else None,
                "title": gettext("Fit of %(account)s") % {"account": account},
            },
        )

    def _answer_one(self, request: HttpRequest, account: Account) -> HttpResponse:
        version_id, _colon, key = request.POST.get("item", "").partition(":")
        versions = IcpVersion.objects.select_related("profile").filter(state=IcpVersion.State.PUBLISHED)
        version = versions.filter(pk=version_id).first() if version_id.isdigit() else None
        if version is None:
            raise Http404
        try:
            record_answers(
                version=version,
                item_key=key,
                accounts=[account],
                value=given_value(request.POST.get("value", "")),
                note=request.POST.get("note", ""),
                user=request.user,
            )
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            assess(account_ids=[account.pk])
        return HttpResponseRedirect(f"{request.path}#item-{key}")

    @admin.action(description=_("Answer the checklist for selected accounts"), permissions=["answer"])
    def answer_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        answered = "_form_submitted" in request.POST
        form = AnswerForm(data=request.POST if answered else None, request=request)
        if answered and form.is_valid():
            version_id, _colon, key = form.cleaned_data["item"].partition(":")
            accounts = list(queryset)
            try:
                answers = record_answers(
                    version=IcpVersion.objects.select_related("profile").get(pk=version_id),
                    item_key=key,
                    accounts=accounts,
                    value=given_value(form.cleaned_data["value"]),
                    note=form.cleaned_data["note"],
                    user=request.user,
                )
            except ProblemError as problem:
                form.add_error("value", str(problem))
            else:
                assess(account_ids=[account.pk for account in accounts])
                messages.success(
                    request,
                    ngettext(
                        "%(number)d account is answered and assessed.",
                        "%(number)d accounts are answered and assessed.",
                        len(answers),
                    )
                    % {"number": len(answers)},
                )
                return HttpResponseRedirect(request.get_full_path())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "accounts": queryset,
            "form": form,
            "media": self.media,  # type: ignore[attr-defined]
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "title": _("Answer the checklist for selected accounts"),
            "action": "answer_selected",
            "submit_text": _("Answer"),
            "description": _("The answer holds for all of them. Earlier answers are kept; the last one counts."),
        }
        return TemplateResponse(request, "admin/segmentation/account/ask_action.html", context)


def fit_rows(version: IcpVersion, details: dict[str, Any]) -> dict[str, Any]:
    """The fit of an account by one profile, as its page shows it: the items by what became of them."""
    items = details.get("items", [])
    return {
        "version": version,
        "details": details,
        "grade": grade_chip(details.get("grade") or ""),
        "groups": [
            {
                "state": state,
                "chip": chip(state_name(state), STATE_COLOURS[state]),
                "items": [_item_row(version, item) for item in items if item["state"] == state],
            }
            for state in STATES
            if any(item["state"] == state for item in items)
        ],
    }


def _item_row(version: IcpVersion, item: dict[str, Any]) -> dict[str, Any]:
    last = item["answers"][0] if item["answers"] else None
    return {
        **item,
        "field": f"{version.pk}:{item['key']}",
        "asked": item["kind"] != IcpItem.Kind.RULE,
        "is_scale": item["kind"] == IcpItem.Kind.SCALE,
        "value": last["value"] if last else None,
        "answer": answer_text(item["kind"], last["value"]) if last else "",
        "last": last,
        "earlier": [{**answer, "words": answer_text(item["kind"], answer["value"])} for answer in item["answers"][1:]],
        "figures": [
            {**figure, "mark": {True: "✓", False: "✗", None: "?"}[figure["held"]]} for figure in item["figures"]
        ],
    }


def fit_summary(account_id: int) -> list[dict[str, Any]]:
    """The fit of an account by every published profile in short, for its page; `details` is None where not assessed."""
    return [
        {
            "version": version,
            "grade": grade_chip(details["grade"] or "") if details else "",
            "details": details,
            "counts": [
                (chip(state_name(state), STATE_COLOURS[state]), [i for i in details["items"] if i["state"] == state])
                for state in STATES
                if any(item["state"] == state for item in details["items"])
            ]
            if details
            else [],
            "knocked_out": [item["text"] for item in details["items"] if item["knocked_out"]] if details else [],
            "conflicts": sum(item["conflict"] for item in details["items"]) if details else 0,
            "url": admin_url("segmentation_account_fit", account_id),
        }
        for version, details in present_details(account_id)
    ]
