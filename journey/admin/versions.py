"""The pages around versions of journeys: making, editing, comparing, publishing and discarding them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext

from journey.admin.list_scope import asked_scope
from journey.admin.rules_editor import (
    answer_to_save,
    basis_of,
    editor_state,
    field_values,
    preview_of,
    read_body,
    save_document,
)
from journey.admin.rules_schema import unit_words
from journey.models import Journey, JourneyVersion
from journey.selectors.comparisons import comparison
from journey.selectors.histories import current_history
from journey.selectors.lists import ListScope
from journey.selectors.previews import preview
from journey.selectors.stages import stage_counts
from journey.selectors.versions import published_version, shown_version, version_document
from journey.services.versions import (
    discard_draft,
    document_problems,
    publish_version,
)
from segmentation.admin.base import chip
from segmentation.errors import ProblemError


def may(request: HttpRequest, permission: str) -> bool:
    """Whether the user has a permission of this app."""
    return request.user.has_perm(f"journey.{permission}")  # type: ignore[union-attr]


def rights_of(request: HttpRequest) -> dict[str, bool]:
    """What the user may do with versions."""
    return {
        "may_draft": may(request, "add_journeyversion"),
        "may_edit": may(request, "change_journeyversion"),
        "may_publish": may(request, "publish_journeyversion"),
        "may_discard": may(request, "delete_journeyversion"),
        "may_rebuild": may(request, "add_history"),
    }


def only_post(request: HttpRequest, allowed: bool) -> HttpResponse | None:
    """The refusal of a request that is no POST; raises PermissionDenied for somebody who may not."""
    if not allowed:
        raise PermissionDenied
    return None if request.method == "POST" else HttpResponseNotAllowed(["POST"])


def journey_url(journey: Journey) -> str:
    """The page of a journey."""
    return reverse("admin:journey_journey_change", args=[journey.pk])


def rules_page_url(version: JourneyVersion) -> str:
    """The rule editor of a version, which shows the rules of a published one."""
    return reverse("admin:journey_journeyversion_rules", args=[version.pk])


class VersionPages:
    """The pages of one version, mixed into its admin."""

    admin_site: Any
    model: Any
    has_view_permission: Any
    has_change_permission: Any
    has_delete_permission: Any
    log_change: Any
    log_deletion: Any

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Any) -> URLPattern:
            wrapped = self.admin_site.admin_view(view)
            return path(f"<int:version_id>/{name}/", wrapped, name=f"journey_journeyversion_{name}")

        return [
            page("rules", self.rules_view),
            page("preview", self.preview_view),
            page("values", self.values_view),
            page("publish", self.publish_view),
            page("discard", self.discard_view),
            page("compare", self.compare_view),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def _version(self, request: HttpRequest, version_id: int) -> JourneyVersion:
        version = JourneyVersion.objects.select_related("journey", "published_by").filter(pk=version_id).first()
        if not self.has_view_permission(request, version):
            raise PermissionDenied
        if version is None:
            raise Http404
        return version

    def _page(self, request: HttpRequest, template: str, version: JourneyVersion, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/journey/journeyversion/{template}.html",
            {
                **self.admin_site.each_context(request),
                **rights_of(request),
                "opts": self.model._meta,
                "original": version,
                "version": version,
                "title": str(version),
                "journey_url": journey_url(version.journey),
                "entities": unit_words(version.journey.unit)["many"],
                **context,
            },
        )

    def rules_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Show the rules, to be edited where the version is a draft; a POST saves them."""
        version = self._version(request, version_id)
        may_change = self.has_change_permission(request, version)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            return self._save(request, version)
        state = editor_state(version, editable=version.is_draft and may_change)
        state["urls"] = {
            name: reverse(f"admin:journey_journeyversion_{page}", args=[version.pk])
            for name, page in (("save", "rules"), ("preview", "preview"), ("values", "values"), ("publish", "publish"))
        }
        other = shown_version(version.journey)
        against = other if other and other != version else _previous(version)
        compare_url, discard_url = (
            reverse(f"admin:journey_journeyversion_{page}", args=[version.pk]) for page in ("compare", "discard")
        )
        drafts = version.journey.versions.filter(state=JourneyVersion.State.DRAFT).exclude(pk=version.pk)
        return self._page(
            request,
            "rules",
            version,
            state=state,
            state_chip=chip(version.get_state_display(), "#d97706" if version.is_draft else "#16a34a"),
            other=against,
            compare_url=f"{compare_url}?with={against.pk}" if against else None,
            drafts=[(draft, rules_page_url(draft)) for draft in drafts],
            draft_url=reverse("admin:journey_journey_draft", args=[version.journey_id]),
            discard_url=discard_url,
            title=gettext("Rules of %(version)s") % {"version": version},
        )

    def _save(self, request: HttpRequest, version: JourneyVersion) -> JsonResponse:
        answer, is_saved = answer_to_save(request, version, save_document)
        if is_saved:
            self.log_change(request, version, gettext("Rules changed."))
        return answer

    def preview_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """How many match now: by the rules as stored, or by those that are posted."""
        version = self._version(request, version_id)
        if request.method != "POST":
            return JsonResponse(preview_of(version, version_document(version)))
        if not self.has_change_permission(request, version):
            raise PermissionDenied
        try:
            return JsonResponse(preview_of(version, read_body(request)["document"]))
        except ProblemError as error:
            return JsonResponse({"problems": [error.as_dict()]}, status=400)

    def values_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """The values a field of the accounts has now, the most frequent first, to choose from."""
        self._version(request, version_id)
        return JsonResponse({"values": field_values(request.GET.get("field", ""))})

    def publish_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Show what would change, and publish for those who may."""
        version = self._version(request, version_id)
        may_publish = may(request, "publish_journeyversion")
        if not may_publish and (request.method == "POST" or not self.has_change_permission(request, version)):
            raise PermissionDenied
        if not version.is_draft:
            messages.info(request, gettext("%(version)s is published already.") % {"version": version})
            return HttpResponseRedirect(journey_url(version.journey))
        document = version_document(version)
        basis = basis_of(document)
        if request.method == "POST":
            if request.POST.get("basis") != basis:
                messages.error(request, gettext("The draft has changed since you looked at it: look again."))
                return HttpResponseRedirect(request.path)
            try:
                publish_version(version=version, user=request.user)
            except ProblemError as problem:
                messages.error(request, str(problem))
                return HttpResponseRedirect(rules_page_url(version))
            self.log_change(request, version, gettext("Published."))
            messages.success(
                request,
                gettext("%(version)s is published. Its history is being built in the background.")
                % {"version": version},
            )
            return HttpResponseRedirect(journey_url(version.journey))
        before = published_version(version.journey)
        problems = document_problems(version, document)
        counts = None if problems else preview(document, version)
        old = version_document(before) if before else None
        return self._page(
            request,
            "publish",
            version,
            basis=basis,
            before=before,
            shown=shown_version(version.journey),
            problems=problems,
            rows=_publish_rows(counts, version) if counts else [],
            total=counts["accounts"] if counts else 0,
            compared=comparison(old, document) if old else None,
            title=gettext("Publish %(version)s") % {"version": version},
        )

    def discard_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Ask, and remove a draft."""
        version = self._version(request, version_id)
        if not may(request, "delete_journeyversion"):
            raise PermissionDenied
        if not version.is_draft:
            messages.error(request, gettext("Published versions are kept: only drafts can be discarded."))
            return HttpResponseRedirect(journey_url(version.journey))
        if request.method != "POST":
            return self._page(request, "discard", version, title=gettext("Discard %(version)s") % {"version": version})
        name, pk = str(version), version.pk
        try:
            discard_draft(version=version)
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            version.pk = pk
            self.log_change(request, version, gettext("Draft discarded."))
            messages.success(request, gettext("%(version)s is discarded.") % {"version": name})
        return HttpResponseRedirect(journey_url(version.journey))

    def compare_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Two versions of a journey side by side: their rules in words, and where both put everything now."""
        version = self._version(request, version_id)
        others = list(version.journey.versions.exclude(pk=version.pk).order_by("-number"))
        wanted = request.GET.get("with", "")
        if wanted and not any(str(other.pk) == wanted for other in others):
            raise Http404
        other = next((o for o in others if str(o.pk) == wanted), None) or _previous(version) or next(iter(others), None)
        if other is None:
            return self._page(request, "compare", version, others=[], title=gettext("Compare versions"))
        one, two = sorted([version, other], key=lambda v: v.number)
        one.journey = two.journey = version.journey
        result = comparison(version_document(one), version_document(two))
        asked = asked_scope(request)
        return self._page(
            request,
            "compare",
            version,
            one=one,
            two=two,
            other=other,
            others=others,
            compared=result,
            changed=[stage for stage in result.stages if not stage.same],
            unchanged=[stage for stage in result.stages if stage.same],
            counts=_compared_counts(one, two, result, asked.scope),
            scope=asked.scope,
            scope_form=asked.form,
            scope_problem=asked.problem,
            sources=[_source(one), _source(two)],
            title=gettext("%(journey)s: versions %(one)s and %(two)s")
            % {"journey": version.journey, "one": one.number, "two": two.number},
        )


def _previous(version: JourneyVersion) -> JourneyVersion | None:
    return version.journey.versions.filter(number__lt=version.number).order_by("-number").first()


def _publish_rows(counts: dict[str, Any], version: JourneyVersion) -> list[dict[str, Any]]:
    """Stages with what is in them now and would be, the funnel first; those that disappear last."""
    shown = shown_version(version.journey)
    before = {row["key"]: row for row in stage_counts(shown, timezone.now())} if shown else {}
    stages = {stage.key: stage for stage in version.stages.all()}
    rows = []
    for row in counts["stages"]:
        stage = stages[row["key"]]
        rows.append({**row, "name": str(stage), "color": stage.color, "position": stage.position})
    rows.sort(key=lambda row: (row["position"] is None, row["position"] or 0))
    for key, row in before.items():
        if key not in stages:
            gone = {"name": row["name"], "color": row["color"], "accounts": 0, "published": row["accounts"]}
            rows.append({**gone, "gained": 0, "lost": row["accounts"], "removed": True})
    for row in rows:
        row["change"] = None if row["published"] is None else row["accounts"] - row["published"]
    return rows


def _numbers(version: JourneyVersion, scope: ListScope | None) -> dict[str, int] | None:
    """Accounts in each stage now: by the history of a version, by counting for one without, None if neither can be.

    Those of a list are known from a history only.
    """
    now = timezone.now()
    if current_history(version):
        accounts = scope.accounts(now) if scope else None
        return {row["key"]: row["accounts"] for row in stage_counts(version, now, accounts)}
    if scope:
        return None
    document = version_document(version)
    if document_problems(version, document):
        return None
    return {row["key"]: row["accounts"] for row in preview(document, version)["stages"]}


def _source(version: JourneyVersion) -> dict[str, Any]:
    """Where the numbers of a version come from."""
    return {"version": version, "history": current_history(version)}


def _compared_counts(
    one: JourneyVersion, two: JourneyVersion, result: Any, scope: ListScope | None
) -> list[dict[str, Any]]:
    left, right = _numbers(one, scope), _numbers(two, scope)
    rows = []
    for stage in result.stages:
        a = left.get(stage.key) if left is not None else None
        b = right.get(stage.key) if right is not None else None
        known = left is not None and right is not None
        change = (b or 0) - (a or 0) if known else None  # a stage only one of them has is empty in the other
        position = (stage.other or stage.one).get("position")
        rows.append({"stage": stage, "one": a, "two": b, "change": change, "position": position})
    rows.sort(key=lambda row: (row["position"] is None, row["position"] or 0))
    return rows
