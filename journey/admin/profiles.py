"""Ideal customer profiles in the admin: the checklist editor, the answers, the fit on the page of an account."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from journey.selectors.assessments import (
    STATES,
    compare_profile_versions,
    present_details,
    rule_sentence,
    state_name,
)
from journey.services.assessments import assess, request_assessment
from segmentation.admin.base import ProductAdmin, ProductInline, ReadOnlyAdmin, admin_url, chip, link
from segmentation.engine.fit import GRADES, SCALE
from segmentation.errors import ProblemError
from segmentation.models import IcpAnswer, IcpAssessment, IcpItem, IcpProfile, IcpVersion
from segmentation.selectors.profiles import published_profile_versions
from segmentation.services.profiles import (
    create_profile_draft,
    item_problems,
    publish_profile_version,
    record_answers,
)

GRADE_COLOURS = {"A": "#16a34a", "B": "#0ea5e9", "C": "#f59e0b", "D": "#dc2626", "": "#94a3b8"}
STATE_COLOURS = {"met": "#16a34a", "partly": "#f59e0b", "unmet": "#dc2626", "unknown": "#94a3b8"}


def grade_chip(grade: str) -> Any:
    """A grade as a label; none says so."""
    return chip(grade or gettext("no grade"), GRADE_COLOURS[grade])


@admin.register(IcpProfile)
class IcpProfileAdmin(ProductAdmin):
    """Profiles. What one says is in its versions: a draft is made, edited and published."""

    list_display = ["name", "key", "published", "draft"]
    search_fields = ["name", "key"]
    prepopulated_fields = {"key": ["name"]}
    fieldsets = [(None, {"fields": [("name", "key"), "description"]})]
    change_form_outer_before_template = "admin/segmentation/icpprofile/versions.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        def number(state: str) -> Any:
            rows = IcpVersion.objects.filter(profile=OuterRef("pk"), state=state).order_by("-number")
            return Subquery(rows.values("number")[:1])

        return (
            super().get_queryset(request).annotate(published_number=number("published"), draft_number=number("draft"))
        )

    @display(description=_("published"), ordering="published_number")
    def published(self, profile: Any) -> Any:
        return chip(f"v{profile.published_number}", "#16a34a") if profile.published_number else "-"

    @display(description=_("draft"), ordering="draft_number")
    def draft(self, profile: Any) -> Any:
        return chip(f"v{profile.draft_number}", "#f59e0b") if profile.draft_number else "-"

    def get_readonly_fields(self, request: HttpRequest, obj: IcpProfile | None = None) -> list[str]:
        return ["key"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: IcpProfile | None = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: IcpProfile | None = None) -> bool:
        """What was published is kept."""
        if obj and obj.versions.filter(state=IcpVersion.State.PUBLISHED).exists():
            return False
        return super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def get_urls(self) -> list[URLPattern]:
        draft = path(
            "<int:pk>/draft/", self.admin_site.admin_view(self.draft_view), name="segmentation_icpprofile_draft"
        )
        return [draft, *super().get_urls()]

    def draft_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a draft and open it; where there is one, open that."""
        if not request.user.has_perm("segmentation.add_icpversion"):  # type: ignore[union-attr]
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        profile = IcpProfile.objects.filter(pk=pk).first()
        if profile is None:
            raise Http404
        try:
            version = create_profile_draft(profile=profile, user=request.user)
        except ProblemError as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(admin_url("segmentation_icpprofile_change", pk) or "")
        return HttpResponseRedirect(admin_url("segmentation_icpversion_change", version.pk) or "")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context: dict[str, Any] = {}
        if object_id and object_id.isdigit():
            counts = Count("items", distinct=True)
            versions = IcpVersion.objects.filter(profile=int(object_id)).annotate(number_of_items=counts)
            rows = list(versions.select_related("published_by").order_by("-number"))
            context = {
                "versions": [(row, admin_url("segmentation_icpversion_change", row.pk)) for row in rows],
                "has_draft": any(row.is_draft for row in rows),
                "may_draft": request.user.has_perm("segmentation.add_icpversion"),  # type: ignore[union-attr]
                "draft_url": admin_url("segmentation_icpprofile_draft", object_id),
            }
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})


class IcpItemForm(forms.ModelForm):
    """Refuses a rule the engine cannot use, and says where."""

    class Meta:
        model = IcpItem
        fields = ["section", "key", "text", "kind", "rule", "weight", "knock_out", "unknown", "help", "order"]
        widgets = {
            "text": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "help": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "rule": UnfoldAdminTextareaWidget(attrs={"rows": 3, "class": "font-mono", "spellcheck": "false"}),
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") != IcpItem.Kind.RULE and cleaned.get("rule") in ({}, "", []):
            cleaned["rule"] = None
        if "rule" in cleaned and "kind" in cleaned:
            for problem in item_problems(cleaned["kind"], cleaned["rule"]):
                where = problem.field.removeprefix("rule.") if problem.field != "rule" else ""
                text = f"{where}: {problem}" if where else str(problem)
                self.add_error("rule", ValidationError(text, code=problem.code))
        return cleaned


class IcpItemInline(ProductInline):
    """The items in their order; drag them. Of a published version they are only shown."""

    model = IcpItem
    form = IcpItemForm
    fields = ["section", "key", "text", "kind", "rule", "weight", "knock_out", "unknown", "help", "order"]
    ordering_field = "order"
    hide_ordering_field = True
    per_page = 100
    tab = False
    show_change_link = False

    def _editable(self, request: HttpRequest, version: IcpVersion | None) -> bool:
        return bool(version and version.is_draft and request.user.has_perm("segmentation.change_icpversion"))  # type: ignore[union-attr]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # who sees the version sees its items

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._editable(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._editable(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._editable(request, obj)


@admin.register(IcpVersion)
class IcpVersionAdmin(ProductAdmin):
    """A checklist: of a draft the items are edited, a published one never changes."""

    list_display = ["version", "state_chip", "number_of_items", "note", "published_at", "published_by"]
    list_select_related = ["profile", "published_by"]
    list_filter = [("profile", RelatedDropdownFilter), ("state", ChoicesCheckboxFilter)]
    search_fields = ["profile__name", "note"]
    readonly_fields = [
        "profile", "number", "state_chip", "created_at", "created_by", "published_at", "published_by",
    ]  # fmt: skip
    fieldsets = [
        (None, {"fields": [("profile", "number", "state_chip"), "note"]}),
        (
            _("Who and when"),
            {"fields": [("created_at", "created_by"), ("published_at", "published_by")], "classes": ["collapse"]},
        ),
    ]
    inlines = [IcpItemInline]
    change_form_outer_before_template = "admin/segmentation/icpversion/actions.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(items_number=Count("items"))

    @display(description=_("version"), ordering="number")
    def version(self, version: IcpVersion) -> str:
        return str(version)

    @display(description=_("items"), ordering="items_number")
    def number_of_items(self, version: Any) -> int:
        return version.items_number

    @display(description=_("state"), ordering="state")
    def state_chip(self, version: IcpVersion) -> Any:
        return chip(version.get_state_display(), "#f59e0b" if version.is_draft else "#16a34a")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # from the page of the profile

    def has_delete_permission(self, request: HttpRequest, obj: IcpVersion | None = None) -> bool:
        if obj and not obj.is_draft:
            return False
        return super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def save_model(self, request: HttpRequest, obj: IcpVersion, form: Any, change: bool) -> None:
        # The database refuses to write the other columns of a published version, even with the values they have.
        obj.save(update_fields=["note"])

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Any) -> URLPattern:
            return path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"segmentation_icpversion_{name}")

        return [page("compare", self.compare_view), page("publish", self.publish_view), *super().get_urls()]

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("segmentation.publish_icpversion")  # type: ignore[union-attr]

    def _version(self, request: HttpRequest, pk: int) -> IcpVersion:
        version = IcpVersion.objects.select_related("profile").filter(pk=pk).first()
        if not self.has_view_permission(request, version):
            raise PermissionDenied
        if version is None:
            raise Http404
        return version

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The version and the one published before it, on the same accounts now."""
        version = self._version(request, pk)
        others = IcpVersion.objects.filter(profile=version.profile_id, number__lt=version.number)
        other = others.select_related("profile").order_by("-number").first()
        found: dict[str, Any] = {}
        if other is None:
            messages.info(request, gettext("There is no earlier version to compare with."))
        else:
            try:
                found = compare_profile_versions(other, version)
            except ProblemError as problem:
                messages.error(request, str(problem))
        return TemplateResponse(
            request,
            "admin/segmentation/icpversion/compare.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "original": version,
                "version": version,
                "other": other,
                "found": found,
                "grade_heads": [grade_chip(grade) for grade in GRADES],
                "grade_rows": [
                    (
                        grade_chip(grade),
                        [(other_grade == grade, found["grades"][grade][other_grade]) for other_grade in GRADES],
                    )
                    for grade in GRADES
                ]
                if found
                else [],
                "examples": [
                    (
                        link(admin_url("segmentation_account_change", row["id"]), row["name"]),
                        row["one"][0],
                        grade_chip(row["one"][1]),
                        row["other"][0],
                        grade_chip(row["other"][1]),
                    )
                    for row in found.get("examples", ())
                ],
                "may_publish": version.is_draft and self.has_publish_permission(request),
                "publish_url": admin_url("segmentation_icpversion_publish", version.pk),
                "back_url": admin_url("segmentation_icpversion_change", version.pk),
                "title": gettext("Compare %(version)s") % {"version": version},
            },
        )

    def publish_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Publish a draft and ask for the assessment of all accounts."""
        version = self._version(request, pk)
        if not self.has_publish_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            version = publish_profile_version(version=version, user=request.user)
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            request_assessment(profile=version.profile, user=request.user)
            self.log_change(request, version, gettext("Published."))
            messages.success(
                request,
                gettext("%(version)s is published. All accounts are being assessed in the background.")
                % {"version": version},
            )
        return HttpResponseRedirect(admin_url("segmentation_icpversion_change", pk) or "")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context: dict[str, Any] = {}
        if object_id and object_id.isdigit() and (version := IcpVersion.objects.filter(pk=object_id).first()):
            rules = [(str(item), rule_sentence(item.rule)) for item in version.items.filter(kind=IcpItem.Kind.RULE)]
            context = {
                "icp_version": version,
                "icp_rules": rules,
                "may_publish": version.is_draft and self.has_publish_permission(request),
                "publish_url": admin_url("segmentation_icpversion_publish", version.pk),
                "compare_url": admin_url("segmentation_icpversion_compare", version.pk),
            }
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})


@admin.register(IcpAnswer)
class IcpAnswerAdmin(ReadOnlyAdmin):
    """Everything that was answered. New answers are given in the list of accounts; none is changed."""

    list_display = ["account", "profile", "item_key", "shown_value", "note", "answered_by", "answered_at"]
    list_select_related = ["account", "profile", "answered_by"]
    list_filter = [("profile", RelatedDropdownFilter), ("account", AutocompleteSelectFilter)]
    search_fields = ["account__name", "item_key", "note"]

    @display(description=_("answer"), ordering="value")
    def shown_value(self, answer: IcpAnswer) -> str:
        return answer_text(answer.kind, answer.value)


@admin.register(IcpAssessment)
class IcpAssessmentAdmin(ReadOnlyAdmin):
    """The fit of accounts, present and past."""

    show_full_result_count = False
    list_display = ["account", "version", "score", "grade_label", "coverage", "made_at", "ended_at"]
    list_select_related = ["account", "version__profile"]
    list_filter = [
        ("version__profile", RelatedDropdownFilter),
        ("grade", ChoicesCheckboxFilter),
        ("account", AutocompleteSelectFilter),
    ]
    search_fields = ["account__name"]

    @display(description=_("grade"), ordering="grade")
    def grade_label(self, assessment: IcpAssessment) -> Any:
        return grade_chip(assessment.grade)


def answer_text(kind: str, value: int | None) -> str:
    """A stored answer in words."""
    if value is None:
        return gettext("not known")
    if kind == IcpItem.Kind.YES_NO:
        return gettext("yes") if value else gettext("no")
    return gettext("%(value)s of %(most)s") % {"value": value, "most": SCALE[1]}


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


VALUES: dict[str, Any] = {"": None, "yes": True, "no": False}


class AnswersMixin:
    """The action of the account list, and the fit on the page of an account."""

    actions = ["answer_selected"]

    def has_answer_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perms(["segmentation.view_account", "segmentation.add_icpanswer"])  # type: ignore[union-attr]

    @admin.action(description=_("Answer the checklist for selected accounts"), permissions=["answer"])
    def answer_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        answered = "_form_submitted" in request.POST
        form = AnswerForm(data=request.POST if answered else None, request=request)
        if answered and form.is_valid():
            version_id, _colon, key = form.cleaned_data["item"].partition(":")
            value = form.cleaned_data["value"]
            accounts = list(queryset)
            try:
                answers = record_answers(
                    version=IcpVersion.objects.select_related("profile").get(pk=version_id),
                    item_key=key,
                    accounts=accounts,
                    value=VALUES[value] if value in VALUES else int(value),
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
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.model._meta,  # type: ignore[attr-defined]
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


def fit_context(account_id: int) -> list[dict[str, Any]]:
    """The fit of an account by every published profile, for its page."""
    return [
        {
            "version": version,
            "grade": grade_chip(details["grade"] or "") if details else "",
            "details": details,
            "rows": [
                {
                    **item,
                    "chip": chip(state_name(item["state"]), STATE_COLOURS[item["state"]]),
                    "answer": answer_text(item["kind"], item["answers"][0]["value"]) if item["answers"] else "",
                    "more": len(item["answers"]) - 1,
                }
                for state in STATES
                for item in (details["items"] if details else ())
                if item["state"] == state
            ],
        }
        for version, details in present_details(account_id)
    ]
