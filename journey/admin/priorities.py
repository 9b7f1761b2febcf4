"""The priority of segments in the admin: the ranking, its weights, and what people answer."""

import csv
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext

from journey.admin.goal_figures import ranking_figure
from journey.selectors.priorities import CONSIDERATIONS, Ranked, segment_ranking, weights
from segmentation.admin.base import ProductAdmin, admin_url
from segmentation.errors import InvalidValueError, ProblemError
from segmentation.imports.bad_rows import inert
from segmentation.models import PriorityAnswer
from segmentation.selectors.access import is_limited
from segmentation.services.priorities import answer_consideration, set_weights, withdraw_answer


class PriorityPages(ProductAdmin):
    """The pages of the ranking, below those of segments. Figures are of the accounts the user may see."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_segment_{name}")

        return [
            page("priority/", self.priority_view, "priority"),
            page("priority/weights/", self.weights_view, "weights"),
            page("priority.csv", self.priority_csv_view, "priority_csv"),
            page("<int:pk>/priority/", self.judge_view, "judge"),
            *super().get_urls(),
        ]

    def _may_judge(self, request: HttpRequest) -> bool:
        return self._may(request, "add_priorityanswer", "change_priorityanswer")

    def _may(self, request: HttpRequest, *rights: str) -> bool:
        may = request.user.has_perms([f"segmentation.{right}" for right in rights])  # type: ignore[union-attr]
        return may and not is_limited(request.user)

    def priority_view(self, request: HttpRequest) -> HttpResponse:
        """All segments in order, with what each consideration adds and why."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        ranking = segment_ranking(user=request.user)
        rows = [row for row in ranking.rows if row.segment.active] if request.GET.get("active") else ranking.rows
        total = sum(ranking.weights.values())
        return self._page(
            request,
            "priority",
            title=gettext("Priority of the segments"),
            rows=[self._row(request, row) for row in rows],
            all_rows=len(ranking.rows),
            only_active=bool(request.GET.get("active")),
            considerations=[
                {
                    "key": key, "label": one.label, "help": one.help, "color": one.color, "usual": one.weight,
                    "weight": ranking.weights[key], "share": round(100 * ranking.weights[key] / total),
                }
                for key, one in CONSIDERATIONS.items()
            ],
            figures={"ranking": ranking_figure(rows)} if rows else {},
            is_limited=is_limited(request.user),
            may_weigh=self._may(request, "change_priorityweight", "add_priorityweight"),
            may_judge=self._may_judge(request),
            weights_url=admin_url("segmentation_segment_weights"),
            csv_url=admin_url("segmentation_segment_priority_csv"),
        )  # fmt: skip

    def _row(self, request: HttpRequest, row: Ranked) -> dict[str, Any]:
        return {
            "segment": row.segment,
            "path": row.path,
            "size": row.size,
            "rank": row.rank,
            "priority": row.priority,
            "percent_known": round(100 * row.priority.coverage),
            "why": row.why,
            "judged": list(row.judged.values()),
            "url": admin_url("segmentation_segment_change", row.segment.pk),
            "judge_url": admin_url("segmentation_segment_judge", row.segment.pk),
        }

    def priority_csv_view(self, request: HttpRequest) -> HttpResponse:
        """The ranking, a line for each segment and consideration."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        ranking = segment_ranking(user=request.user)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="segment-priority.csv"'
        writer = csv.writer(response)
        writer.writerow(
            ["rank", "segment", "name", "points", "known", "consideration", "weight", "source", "score", "adds", "text"]
        )
        for row in ranking.rows:
            for key, one in row.judged.items():
                points = "" if row.priority.points is None else round(row.priority.points, 2)
                cells = [
                    row.rank or "", row.segment.key, row.path, points, round(row.priority.coverage, 2), key,
                    ranking.weights[key], one.source, "" if one.score is None else round(one.score, 2),
                    "" if one.points is None else round(one.points, 2), one.measured.text,
                ]  # fmt: skip
                writer.writerow([inert(str(cell)) for cell in cells])
        return response

    def weights_view(self, request: HttpRequest) -> HttpResponse:
        """Change what considerations weigh."""
        if not self.has_view_permission(request) or not self._may(
            request, "change_priorityweight", "add_priorityweight"
        ):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        given = {key: request.POST[key].strip() for key in CONSIDERATIONS if key in request.POST}
        try:
            set_weights(weights={key: _whole(key, text) for key, text in given.items()}, present=weights())
        except ProblemError as problem:
            name = CONSIDERATIONS[problem.field].label if problem.field in CONSIDERATIONS else ""
            messages.error(request, f"{name}: {problem}" if name else str(problem))
        else:
            messages.success(request, gettext("The weights are changed."))
        return HttpResponseRedirect(admin_url("segmentation_segment_priority") or "")

    def judge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What is measured of a segment, and what people say of it by each consideration."""
        segment = self._segment(request, pk)
        if not self._may_judge(request):
            raise PermissionDenied
        page_url = admin_url("segmentation_segment_judge", pk) or ""
        if request.method == "POST":
            return self._judge(request, segment, page_url)
        row = next((row for row in segment_ranking(user=request.user).rows if row.segment.pk == pk), None)
        return self._page(
            request,
            "judge",
            title=gettext("Priority of %(segment)s") % {"segment": segment},
            segment=segment,
            row=self._row(request, row) if row else None,
            scores=PriorityAnswer.Score.choices,
            page_url=admin_url("segmentation_segment_change", pk),
            priority_url=admin_url("segmentation_segment_priority"),
        )

    def _judge(self, request: HttpRequest, segment: Any, page_url: str) -> HttpResponse:
        key = request.POST.get("consideration", "")
        stored = PriorityAnswer.objects.filter(segment=segment, consideration=key).first()
        score = request.POST.get("score", "")
        try:
            if not score and stored:
                if not self._may(request, "delete_priorityanswer"):
                    raise PermissionDenied
                withdraw_answer(answer=stored)
                messages.success(request, gettext("The answer is taken back; what is measured counts."))
            else:
                answer_consideration(
                    segment=segment,
                    consideration=key,
                    score=int(score) if score.isascii() and score.isdecimal() and len(score) < 4 else score,
                    reason=request.POST.get("reason", ""),
                    known=CONSIDERATIONS,
                    user=request.user,
                )
                messages.success(request, gettext("The answer is kept."))
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            self.log_change(request, segment, gettext("Judged: %(what)s.") % {"what": CONSIDERATIONS[key].label})
        return HttpResponseRedirect(page_url)


def _whole(field: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise InvalidValueError(
            gettext("“%(value)s” is no weight."),
            code="bad_weight",
            field=field,
            value=text,
            remedy=gettext("Give a whole number from 0 to 100."),
        )
    return int(text)
