"""Ideal customer profiles in the admin: profiles, their versions, the checklist editor, comparing and publishing."""

import csv
from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RelatedDropdownFilter
from unfold.decorators import display

from journey.admin.checklist_editor import checklist_preview, checklist_state, save_checklist
from journey.admin.fit_figures import GRADE_COLOURS, SHOWN_GRADES, comparison_figures, grade_chip
from journey.admin.rules_editor import answer_to_save, field_values, fingerprint, read_body
from journey.selectors.profile_comparisons import compare_profile_versions
from journey.services.assessments import request_assessment
from segmentation.admin.base import ProductAdmin, admin_url, chip, link
from segmentation.errors import ProblemError
from segmentation.imports.bad_rows import inert
from segmentation.models import IcpProfile, IcpVersion
from segmentation.selectors.profiles import profile_document
from segmentation.services.exports import record_export
from segmentation.services.profile_editing import discard_profile_draft
from segmentation.services.profiles import create_profile_draft, publish_profile_version


def _may(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(f"segmentation.{permission}")  # type: ignore[union-attr]


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

    def response_add(self, request: HttpRequest, obj: IcpProfile, post_url_continue: str | None = None) -> HttpResponse:
        """A new profile needs a checklist next: go on where one is begun."""
        if "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        return HttpResponseRedirect(admin_url("segmentation_icpprofile_change", obj.pk) or "")

    def get_urls(self) -> list[URLPattern]:
        draft = path(
            "<int:pk>/draft/", self.admin_site.admin_view(self.draft_view), name="segmentation_icpprofile_draft"
        )
        return [draft, *super().get_urls()]

    def draft_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a draft, of the version that is posted or of the newest, and open it."""
        if not self.has_view_permission(request) or not _may(request, "add_icpversion"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        profile = IcpProfile.objects.filter(pk=pk).first()
        wanted = request.POST.get("version", "")
        source = IcpVersion.objects.filter(profile=pk, pk=wanted).first() if wanted.isdigit() else None
        if profile is None or (wanted and source is None):
            raise Http404
        try:
            version = create_profile_draft(
                profile=profile, user=request.user, based_on=source, is_empty="empty" in request.POST
            )
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
            versions = IcpVersion.objects.filter(profile=int(object_id)).annotate(number_of_items=Count("items"))
            rows = list(versions.select_related("published_by").order_by("-number"))
            published = next((row for row in rows if not row.is_draft), None)
            context = {
                "versions": [_version_row(row, row == published) for row in rows],
                "has_draft": any(row.is_draft for row in rows),
                "may_draft": _may(request, "add_icpversion"),
                "may_edit": _may(request, "change_icpversion"),
                "may_discard": _may(request, "delete_icpversion"),
                "draft_url": admin_url("segmentation_icpprofile_draft", object_id),
            }
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})


def _version_row(version: IcpVersion, is_in_force: bool) -> dict[str, Any]:
    return {"version": version, "is_in_force": is_in_force, "chip": state_chip(version), "urls": version_urls(version)}


def state_chip(version: IcpVersion) -> Any:
    """The state of a version as a label."""
    return chip(version.get_state_display(), "#f59e0b" if version.is_draft else "#16a34a")


def version_urls(version: IcpVersion) -> dict[str, str | None]:
    """The pages of a version."""
    pages = ("change", "preview", "values", "compare", "publish", "discard")
    return {page: admin_url(f"segmentation_icpversion_{page}", version.pk) for page in pages}


@admin.register(IcpVersion)
class IcpVersionAdmin(ProductAdmin):
    """Checklists: of a draft the items are edited, a published one never changes."""

    list_display = ["version", "state_label", "number_of_items", "note", "published_at", "published_by"]
    list_select_related = ["profile", "published_by"]
    list_filter = [("profile", RelatedDropdownFilter), ("state", ChoicesCheckboxFilter)]
    search_fields = ["profile__name", "note"]
    empty_text = _("A checklist is a version of a profile: open a profile and make a draft there.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(items_number=Count("items"))

    @display(description=_("version"), ordering="number")
    def version(self, version: IcpVersion) -> str:
        return str(version)

    @display(description=_("items"), ordering="items_number")
    def number_of_items(self, version: Any) -> int:
        return version.items_number

    @display(description=_("state"), ordering="state")
    def state_label(self, version: IcpVersion) -> Any:
        return state_chip(version)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # from the page of the profile

    def has_delete_permission(self, request: HttpRequest, obj: IcpVersion | None = None) -> bool:
        return False  # discarded on a page of its own

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Any) -> URLPattern:
            return path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"segmentation_icpversion_{name}")

        return [
            page("preview", self.preview_view),
            page("values", self.values_view),
            page("compare", self.compare_view),
            page("publish", self.publish_view),
            page("discard", self.discard_view),
            *super().get_urls(),
        ]

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return _may(request, "publish_icpversion")

    def _version(self, request: HttpRequest, pk: Any) -> IcpVersion:
        if not self.has_view_permission(request):
            raise PermissionDenied
        version = IcpVersion.objects.select_related("profile", "published_by").filter(pk=pk).first()
        if version is None:
            raise Http404
        return version

    def _draft(self, request: HttpRequest, pk: Any) -> IcpVersion:
        """A version somebody wants to change, which the service refuses where it is published."""
        version = self._version(request, pk)
        if not self.has_change_permission(request, version):
            raise PermissionDenied
        return version

    def _page(self, request: HttpRequest, template: str, version: IcpVersion, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/segmentation/icpversion/{template}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "original": version,
                "version": version,
                "state_chip": state_chip(version),
                "urls": version_urls(version),
                "profile_url": admin_url("segmentation_icpprofile_change", version.profile_id),
                "draft_url": admin_url("segmentation_icpprofile_draft", version.profile_id),
                "may_edit": self.has_change_permission(request, version),
                "may_publish": self.has_publish_permission(request),
                "may_draft": _may(request, "add_icpversion"),
                "may_discard": _may(request, "delete_icpversion"),
                "title": str(version),
                **context,
            },
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the items, to be edited where the version is a draft; a POST saves them."""
        if not object_id.isdigit():
            raise Http404
        if request.method == "POST":
            return self._save(request, self._draft(request, object_id))
        version = self._version(request, object_id)
        editable = version.is_draft and self.has_change_permission(request, version)
        urls = version_urls(version)
        state = checklist_state(version, editable=editable)
        state["urls"] = {**urls, "save": urls["change"], "publish": urls["compare"]}
        others = list(_others(version))
        return self._page(
            request,
            "checklist",
            version,
            state=state,
            other=_other(version, others),
            compare_url=urls["compare"],
            discard_url=urls["discard"],
            drafts=[(row, version_urls(row)["change"]) for row in others if row.is_draft],
        )

    def _save(self, request: HttpRequest, version: IcpVersion) -> JsonResponse:
        answer, is_saved = answer_to_save(request, version, save_checklist)
        if is_saved:
            self.log_change(request, version, gettext("Items changed."))
        return answer

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How many match now: by the items as stored, or by those that are posted."""
        if request.method != "POST":
            version = self._version(request, pk)
            return JsonResponse(checklist_preview(version, profile_document(version)))
        version = self._draft(request, pk)
        try:
            return JsonResponse(checklist_preview(version, read_body(request)["document"]))
        except ProblemError as error:
            return JsonResponse({"problems": [error.as_dict()]}, status=400)

    def values_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The values a field of the accounts has now, the most frequent first, to choose from."""
        self._version(request, pk)
        return JsonResponse({"values": field_values(request.GET.get("field", ""))})

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The version and another one of the profile on the same accounts now; `?csv` gives every account."""
        version = self._version(request, pk)
        others = list(_others(version))
        wanted = request.GET.get("with", "")
        other = next((row for row in others if str(row.pk) == wanted), None) if wanted else _other(version, others)
        if wanted and other is None:
            raise Http404
        context: dict[str, Any] = {"others": others, "other": other, "found": None, "problem": None}
        if other is not None:
            one, two = sorted([version, other], key=lambda row: row.number)
            one.profile = two.profile = version.profile
            try:
                if "csv" in request.GET:
                    return _comparison_csv(one, two, request.user)
                found = compare_profile_versions(one, two)
                context |= {"one": one, "two": two, "found": found, **_comparison_tables(found, one, two, version)}
            except ProblemError as problem:
                context["problem"] = problem
        return self._page(
            request,
            "compare",
            version,
            **context,
            basis=fingerprint(profile_document(version)),
            may_publish=version.is_draft and self.has_publish_permission(request),
            title=gettext("Compare %(version)s") % {"version": version},
        )

    def publish_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Publish a draft and ask for the assessment of all accounts."""
        version = self._version(request, pk)
        if not self.has_publish_permission(request):
            raise PermissionDenied
        urls = version_urls(version)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        basis = request.POST.get("basis")
        if basis is not None and basis != fingerprint(profile_document(version)):
            messages.error(request, gettext("The draft has changed since you looked at it: look again."))
            return HttpResponseRedirect(urls["compare"] or "")
        try:
            version = publish_profile_version(version=version, user=request.user)
        except ProblemError as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(urls["change"] or "")
        request_assessment(profile=version.profile, user=request.user)
        self.log_change(request, version, gettext("Published."))
        messages.success(
            request,
            gettext("%(version)s is published. All accounts are being assessed in the background.")
            % {"version": version},
        )
        return HttpResponseRedirect(admin_url("segmentation_icpprofile_change", version.profile_id) or "")

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, and remove a draft."""
        version = self._version(request, pk)
        if not _may(request, "delete_icpversion"):
            raise PermissionDenied
        back = admin_url("segmentation_icpprofile_change", version.profile_id) or ""
        if request.method != "POST" and version.is_draft:
            return self._page(request, "discard", version, title=gettext("Discard %(version)s") % {"version": version})
        name = str(version)
        try:
            discard_profile_draft(version=version)
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            version.pk = pk
            self.log_change(request, version, gettext("Draft discarded."))
            messages.success(request, gettext("%(version)s is discarded.") % {"version": name})
        return HttpResponseRedirect(back)


def _others(version: IcpVersion) -> QuerySet[IcpVersion]:
    """The other versions of the profile, the newest first."""
    return IcpVersion.objects.filter(profile=version.profile_id).exclude(pk=version.pk).order_by("-number")


def _other(version: IcpVersion, others: Sequence[IcpVersion]) -> IcpVersion | None:
    """The version to compare with among the others: the one before, else the next."""
    return next((row for row in others if row.number < version.number), others[-1] if others else None)


def _comparison_tables(found: dict[str, Any], one: IcpVersion, two: IcpVersion, version: IcpVersion) -> dict[str, Any]:
    """What the page of a comparison shows of it."""
    most = max((number for row in found["grades"].values() for number in row.values()), default=0) or 1
    return {
        "grade_heads": [grade_chip(grade) for grade in SHOWN_GRADES],
        "grade_rows": [
            {
                "head": grade_chip(grade),
                "grade": grade,
                "all": sum(found["grades"][grade].values()),
                "cells": [
                    {
                        "number": (number := found["grades"][grade][to]),
                        "same": to == grade,
                        "to": to or gettext("no grade"),
                        "colour": GRADE_COLOURS[to],
                        "share": round(60 * number / most),
                    }
                    for to in SHOWN_GRADES
                ],
            }
            for grade in SHOWN_GRADES
        ],
        "totals": [sum(found["grades"][grade][to] for grade in SHOWN_GRADES) for to in SHOWN_GRADES],
        "examples": [
            {
                "account": link(admin_url("segmentation_account_fit", row["id"]), row["name"]),
                "one": row["one"][0],
                "one_grade": grade_chip(row["one"][1]),
                "two": row["other"][0],
                "two_grade": grade_chip(row["other"][1]),
                "move": None if None in (row["one"][0], row["other"][0]) else row["other"][0] - row["one"][0],
            }
            for row in found["examples"]
        ],
        "items": found["items"],
        "csv_url": f"?with={two.pk if one == version else one.pk}&csv",
        "figures": comparison_figures(found, one, two),
    }


def _comparison_csv(one: IcpVersion, two: IcpVersion, user: Any) -> HttpResponse:
    """Every account with its fit by both versions, the largest moves first."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"{one.profile.key}-v{one.number}-v{two.number}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response.write("\ufeff")  # else a spreadsheet takes it for another encoding
    writer = csv.writer(response)
    writer.writerow(
        ["id", "name", f"fit_v{one.number}", f"grade_v{one.number}", f"fit_v{two.number}", f"grade_v{two.number}"]
    )
    found = compare_profile_versions(one, two, most=None)["examples"]
    record_export(user=user, of=two, file=name, rows=len(found))
    for row in found:
        writer.writerow([row["id"], inert(row["name"]), *row["one"], *row["other"]])
    return response
