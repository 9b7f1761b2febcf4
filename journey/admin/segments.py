"""Segments in the admin: the tree, the page of a segment, its editor, and why an account is a member."""

import csv
import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.admin.audiences import AudiencePages
from journey.admin.goal_figures import goal_row
from journey.admin.priorities import PriorityPages
from journey.admin.ready_made import make_ready_made
from journey.admin.rules_editor import ProblemsError, field_values, read_body
from journey.admin.segment_editor import editor_state, preview_of, save_document
from journey.admin.segment_figures import size_figure
from journey.admin.segment_health import HealthPages
from journey.admin.segment_performance import PerformancePages
from journey.admin.segment_versions import VersionPages
from journey.segment_examples import install_examples
from journey.selectors.comparisons import how_many, term_words
from journey.selectors.goals import all_goals, goal_reports
from journey.selectors.journeys import find_entity
from journey.selectors.segment_health import growth, month_starts, movements, reviews_due
from journey.selectors.segments import explain_membership, members, part_name, periods_in_words, sizes_at
from segmentation.admin.base import admin_url
from segmentation.engine.memberships import PARTS, segment_name
from segmentation.errors import ConflictError, ProblemError
from segmentation.imports.bad_rows import inert
from segmentation.models import Account, Segment, SegmentVersion
from segmentation.selectors.access import is_limited, visible_accounts
from segmentation.selectors.dependencies import rules_that_read
from segmentation.selectors.segments import (
    campaign_segments,
    current_segment_histories,
    current_segment_history,
    segment_tree,
    version_in_force,
    versions_in_force,
)
from segmentation.services.exports import record_export
from segmentation.services.segments import QUESTIONS, delete_segment, request_memberships

PER_PAGE = 25


@admin.register(Segment)
class SegmentAdmin(AudiencePages, HealthPages, VersionPages, PerformancePages, PriorityPages):
    """The tree of segments. One is made and changed in the editor, and removed on a page that says what uses it."""

    empty_text = _("Make a segment, or begin with the ready-made ones.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not is_limited(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not is_limited(request.user)

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_segment_{name}")

        return [
            page("examples/", self.examples_view, "examples"),
            page("rebuild/", self.rebuild_view, "rebuild"),
            page("add/", self.add_page, "add"),
            page("add/preview/", self.preview_view, "add_preview"),
            page("values/", self.values_view, "values"),
            page("<int:pk>/change/", self.page_view, "change"),
            page("<int:pk>/edit/", self.edit_view, "edit"),
            page("<int:pk>/preview/", self.preview_view, "preview"),
            page("<int:pk>/why/", self.why_view, "why"),
            page("<int:pk>/delete/", self.remove_view, "delete"),
            page("<int:pk>/members.csv", self.csv_view, "csv"),
            *super().get_urls(),
        ]

    # --- What every page needs -----------------------------------------------------------------------------------

    def _segment(self, request: HttpRequest, pk: int) -> Segment:
        if not self.has_view_permission(request):
            raise PermissionDenied
        segment = Segment.objects.filter(pk=pk).first()
        if segment is None:
            raise Http404
        return segment

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/segmentation/segment/{template}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "tree_url": admin_url("segmentation_segment_changelist"),
                "health_url": admin_url("segmentation_segment_health"),
                "priority_url": admin_url("segmentation_segment_priority"),
                "goals_url": admin_url("segmentation_segmentgoal_changelist"),
                "may_change": self.has_change_permission(request),
                "may_add": self.has_add_permission(request),
                "may_delete": self.has_delete_permission(request),
                **context,
            },
        )

    # --- The tree ------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """All segments with their sizes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        nodes = campaign_segments()
        visible = visible_accounts(request.user)
        sizes = sizes_at(now, visible)
        accounts = (Account.objects.all() if visible is None else visible).count()
        due = reviews_due([node.segment for node in nodes])
        built = current_segment_histories()
        rows: list[dict[str, Any]] = []
        for node in nodes:
            found = sizes.get(node.segment.key)
            history = built.get(node.segment.pk)
            rows.append(
                {
                    "segment": node.segment,
                    "version": node.version,
                    "depth": node.depth,
                    "url": admin_url("segmentation_segment_change", node.segment.pk),
                    "size": found["members"] if found else None,
                    "unknown": found["unknown"] if found else 0,
                    "share": found["members"] / accounts if found and accounts else 0,
                    "percent": round(100 * found["members"] / accounts) if found and accounts else 0,
                    "parts": [part_name(part).split(":")[0] for part in PARTS if part in node.version.rules],
                    "is_waiting": history is None or history.version_id != node.version.pk,
                    "is_due": node.segment.active and due[node.segment.key].is_due(now),
                    "unhealthy": len(due[node.segment.key].unhealthy),
                }
            )
        return self._page(
            request,
            "tree",
            title=gettext("Segments"),
            rows=rows,
            accounts=accounts,
            active=sum(row["segment"].active for row in rows),
            add_url=admin_url("segmentation_segment_add"),
            examples_url=admin_url("segmentation_segment_examples"),
            rebuild_url=admin_url("segmentation_segment_rebuild"),
        )

    def examples_view(self, request: HttpRequest) -> HttpResponse:
        """Make the ready-made segments that are missing."""
        return make_ready_made(
            request,
            install_examples,
            is_allowed=self.has_add_permission(request),
            said=lambda n: (
                ngettext(
                    "%(n)s segment was made. Who is in it is being worked out.",
                    "%(n)s segments were made. Who is in them is being worked out.",
                    n,
                )
                % {"n": n}
            ),
            nothing_said=gettext("All ready-made segments are there already."),
            back="segmentation_segment_changelist",
        )

    def rebuild_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the memberships of all segments to be brought up to date."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = request_memberships(user=request.user)
        return HttpResponseRedirect(admin_url("segmentation_job_change", job.pk) or "")

    # --- The editor ----------------------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """The editor of a new segment; `?parent=key` makes it part of another."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._save(request, None)
        parent = request.GET.get("parent", "")
        known = Segment.objects.filter(key=parent).exists()
        purpose = request.GET.get("purpose", "")
        return self._editor(
            request,
            None,
            editor_state(
                None,
                parent=parent if known else "",
                purpose=purpose if purpose in Segment.Purpose.values else "",
                editable=True,
            ),
        )

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The editor of a segment."""
        segment = self._segment(request, pk)
        if not self.has_change_permission(request, segment):
            raise PermissionDenied
        if request.method == "POST":
            return self._save(request, segment)
        return self._editor(request, segment, editor_state(segment, editable=True))

    def _editor(self, request: HttpRequest, segment: Segment | None, state: dict[str, Any]) -> HttpResponse:
        pk = segment.pk if segment else None
        page_url = admin_url("segmentation_segment_change", pk) if pk else admin_url("segmentation_segment_changelist")
        state["urls"] = {
            "save": admin_url("segmentation_segment_edit", pk) if pk else admin_url("segmentation_segment_add"),
            "preview": admin_url("segmentation_segment_preview", pk)
            if pk
            else admin_url("segmentation_segment_add_preview"),
            "values": admin_url("segmentation_segment_values"),
            "publish": page_url,
            "account": admin_url("segmentation_account_change", 0),
        }
        title = gettext("Rules of %(segment)s") % {"segment": segment} if segment else gettext("New segment")
        return self._page(request, "editor", title=title, segment=segment, state=state, page_url=page_url)

    def _save(self, request: HttpRequest, segment: Segment | None) -> JsonResponse:
        try:
            body = read_body(request)
            saved = save_document(
                segment=segment,
                document=body["document"],
                note=body.get("note", ""),
                basis=body.get("basis"),
                user=request.user,
            )
        except ProblemsError as error:
            return JsonResponse({"problems": [problem.as_dict() for problem in error.problems]}, status=400)
        except ConflictError as error:
            return JsonResponse({"problems": [error.as_dict()], "basis": str(error.value)}, status=409)
        except ProblemError as error:
            return JsonResponse({"problems": [error.as_dict()]}, status=400)
        if segment is None:
            self.log_addition(request, saved, gettext("Made in the editor."))
            return JsonResponse(
                {"saved": True, "basis": "1", "url": admin_url("segmentation_segment_change", saved.pk)}
            )
        self.log_change(request, saved, gettext("Rules changed."))
        return JsonResponse({"saved": True, "basis": str(version_in_force(saved).number)})

    def preview_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """How many accounts the posted rules hold right now, and some of them."""
        segment = self._segment(request, pk) if pk else None
        if not (self.has_change_permission(request) if segment else self.has_add_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            return JsonResponse(preview_of(segment, read_body(request)["document"], request.user))
        except ProblemError as error:
            return JsonResponse({"problems": [error.as_dict()]}, status=400)

    def values_view(self, request: HttpRequest) -> HttpResponse:
        """The values a field of the accounts has now, the most frequent first, to choose from."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        return JsonResponse({"values": field_values(request.GET.get("field", ""))})

    # --- The page of a segment -----------------------------------------------------------------------------------

    def page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Who is in it, how it grew, what it asks for and what reads it."""
        segment = self._segment(request, pk)
        limited = is_limited(request.user)
        versions = versions_in_force()
        version = versions[segment.key]
        history = current_segment_history(segment)
        now = timezone.now()
        visible = visible_accounts(request.user)
        rows = members(segment, now, request.user)
        page = Paginator(rows, PER_PAGE).get_page(request.GET.get("p"))
        sizes = sizes_at(now, visible).get(segment.key, {"members": 0, "unknown": 0})
        total = (Account.objects.all() if visible is None else visible).count()
        months = month_starts(now)
        numbers = None
        if history and not limited:
            numbers = growth(months)[segment.key]
        chain = [version]
        while chain[-1].parent in versions:
            chain.append(versions[chain[-1].parent])
        due = reviews_due([segment])[segment.key]
        nodes = [node for node in segment_tree(versions) if node.version.parent == segment.key]
        why = admin_url("segmentation_segment_why", segment.pk)
        return self._page(
            request,
            "page",
            title=str(segment),
            segment=segment,
            version=version,
            history=history,
            is_waiting=history is None or history.version_id != version.pk,
            job_url=admin_url("segmentation_job_changelist"),
            size=sizes["members"],
            unknown=sizes["unknown"],
            share=sizes["members"] / total if total else None,
            moved=movements(segment, now - dt.timedelta(days=30), now, request.user),
            due=due,
            is_due=segment.active and due.is_due(now),
            unhealthy=[QUESTIONS[key] for key in due.unhealthy],
            chain=None if limited else [_rules(one) for one in reversed(chain)],
            children=[
                {"segment": node.segment, "url": admin_url("segmentation_segment_change", node.segment.pk)}
                for node in nodes
            ],
            readers=[] if limited else rules_that_read(segment_name(segment.key)),
            versions=[] if limited else segment.versions.select_related("made_by").order_by("-number")[:20],
            page=page,
            rows=[
                {
                    "account": row.account,
                    "url": admin_url("segmentation_account_change", row.account_id),
                    "since": row.start_at,
                    "is_first": row.is_first,
                    "until": row.end_at,
                    "why": f"{why}?account=%23{row.account_id}",
                }
                for row in page
            ],
            months=list(zip(months, numbers, strict=True))[::-1] if numbers else [],
            figures={"sizes": size_figure(months, [(str(segment), numbers)])} if numbers else {},
            goals=self._goals(request, segment, now),
            may_set_goals=request.user.has_perm("segmentation.add_segmentgoal") and not limited,  # type: ignore[union-attr]
            add_goal_url=f"{admin_url('segmentation_segmentgoal_add')}?segment={segment.pk}",
            judge_url=admin_url("segmentation_segment_judge", segment.pk) if self._may_judge(request) else "",
            edit_url=admin_url("segmentation_segment_edit", segment.pk),
            add_url=f"{admin_url('segmentation_segment_add')}?parent={segment.key}",
            why_url=why,
            review_url=admin_url("segmentation_segment_review", segment.pk),
            delete_url=admin_url("segmentation_segment_delete", segment.pk),
            csv_url=admin_url("segmentation_segment_csv", segment.pk),
            compare_url=admin_url("segmentation_segment_compare", segment.pk),
        )

    def _goals(self, request: HttpRequest, segment: Segment, now: dt.datetime) -> list[dict[str, Any]] | None:
        """The goals of a segment, the last to end first; None for users who may not see goals."""
        if not request.user.has_perm("segmentation.view_segmentgoal"):  # type: ignore[union-attr]
            return None
        reports = goal_reports(all_goals().filter(segment=segment).order_by("-last_day")[:8], now, request.user)
        return [
            goal_row(report) | {"url": admin_url("segmentation_segmentgoal_change", report.goal.pk)}
            for report in reports
        ]

    def csv_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """All members, one on each line."""
        segment = self._segment(request, pk)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        name = f"segment-{segment.key}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        writer = csv.writer(response)
        writer.writerow(["id", "external_id", "name", "domain", "since", "until"])
        number = 0
        for row in members(segment, timezone.now(), request.user).iterator(chunk_size=2000):
            account = row.account
            until = row.end_at.isoformat() if row.end_at else ""
            cells = [
                account.pk,
                account.external_id or "",
                account.name,
                account.domain,
                row.start_at.isoformat(),
                until,
            ]
            writer.writerow([inert(str(cell)) for cell in cells])
            number += 1
        record_export(user=request.user, of=segment, file=name, rows=number)
        return response

    def why_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Why an account is a member or not, with every figure. `?account=` takes an id, a domain or a name."""
        segment = self._segment(request, pk)
        if is_limited(request.user):  # the rules may name accounts
            raise PermissionDenied
        words = request.GET.get("account", "").strip()
        context: dict[str, Any] = {"words": words, "found": None, "problem": None}
        if words:
            try:
                account = find_entity("account", words, request.user)
                context["found"] = explain_membership(account, segment, timezone.now())
                context["account"] = account
                context["periods"] = periods_in_words(segment, account.pk)
                context["account_url"] = admin_url("segmentation_account_change", account.pk)
            except ProblemError as problem:
                context["problem"] = str(problem)
        return self._page(
            request,
            "why",
            title=gettext("Why in %(segment)s?") % {"segment": segment},
            segment=segment,
            page_url=admin_url("segmentation_segment_change", segment.pk),
            **context,
        )

    # --- Removing ------------------------------------------------------------------------------------------------

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Remove a segment, or say what uses it."""
        segment = self._segment(request, pk)
        if not self.has_delete_permission(request, segment):
            raise PermissionDenied
        if request.method == "POST":
            try:
                delete_segment(key=segment.key)
            except ProblemError as problem:
                messages.error(request, str(problem))
                return HttpResponseRedirect(admin_url("segmentation_segment_change", pk) or "")
            self.log_deletions(request, [segment])
            messages.success(request, gettext("The segment “%(segment)s” is removed.") % {"segment": segment})
            return HttpResponseRedirect(admin_url("segmentation_segment_changelist") or "")
        return self._page(
            request,
            "remove",
            title=gettext("Remove %(segment)s") % {"segment": segment},
            segment=segment,
            readers=rules_that_read(segment_name(segment.key)),
            goals=segment.goals.count(),
            page_url=admin_url("segmentation_segment_change", segment.pk),
        )

    # The pages of Django's own that these replace.

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}


def _rules(version: SegmentVersion) -> dict[str, Any]:
    """The parts of a version in words."""
    return {
        "segment": version.segment,
        "url": admin_url("segmentation_segment_change", version.segment_id),
        "parts": [
            {
                "name": part_name(part),
                "many": how_many(version.rules[part]) if len(version.rules[part]["criteria"]) > 1 else "",
                "terms": [term_words(term) for term in version.rules[part]["criteria"]],
            }
            for part in PARTS
            if part in version.rules
        ],
    }
