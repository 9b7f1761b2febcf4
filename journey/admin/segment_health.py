"""The health of segments and their reviews in the admin, mixed into the admin of segments."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext

from journey.admin.segment_figures import overlap_rows, size_figure
from journey.selectors.segment_health import accounts_without_segment, reviews_due, segment_health
from segmentation.admin.base import ProductAdmin, admin_url
from segmentation.errors import ProblemError
from segmentation.services.segments import QUESTIONS, change_details, review_segment


class HealthPages(ProductAdmin):
    """The pages of health and review, below those of segments."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_segment_{name}")

        return [
            page("health/", self.health_view, "health"),
            page("<int:pk>/review/", self.review_view, "review"),
            *super().get_urls(),
        ]

    def health_view(self, request: HttpRequest) -> HttpResponse:
        """Size, overlap, coverage, growth, customers inside and share of the pipeline of all segments."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = segment_health(user=request.user)
        names = {row["key"]: row["path"] for row in found["segments"]}
        for row in found["segments"]:
            row["url"] = admin_url("segmentation_segment_change", row["id"])
            row["review_url"] = admin_url("segmentation_segment_review", row["id"])
        urls = {row["key"]: row["url"] for row in found["segments"]}
        for warning in found["warnings"]:
            warning["url"] = urls.get(warning["segment"], "")
        shown = found["keys"][:8]
        return self._page(
            request,
            "health",
            title=gettext("Health of the segments"),
            found=found,
            matrix=overlap_rows(found["keys"], names, found["overlap"]),
            columns=[names[key] for key in found["keys"]],
            outside=[
                {"account": account, "url": admin_url("segmentation_account_change", account.pk)}
                for account in accounts_without_segment(found)
            ],
            figures={"sizes": size_figure(found["months"], [(names[key], found["growth"][key]) for key in shown])},
            growth=[{"name": row["path"], "numbers": found["growth"][row["key"]]} for row in found["segments"]],
            add_url=admin_url("segmentation_segment_add"),
        )

    def review_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Go through the questions of the health checklist."""
        segment = self._segment(request, pk)
        if not self.has_change_permission(request, segment):
            raise PermissionDenied
        page_url = admin_url("segmentation_segment_change", segment.pk)
        if request.method == "POST":
            answers = {key: request.POST[key] == "yes" for key in QUESTIONS if request.POST.get(key) in ("yes", "no")}
            try:
                review_segment(segment=segment, answers=answers, note=request.POST.get("note", ""), user=request.user)
            except ProblemError as problem:
                messages.error(request, str(problem))
            else:
                if "active" in request.POST and (request.POST["active"] == "yes") != segment.active:
                    change_details(segment=segment, active=request.POST["active"] == "yes")
                self.log_change(request, segment, gettext("Reviewed."))
                messages.success(request, gettext("The review of “%(segment)s” is kept.") % {"segment": segment})
                return HttpResponseRedirect(page_url or "")
        health = segment_health(user=request.user)
        row = next((row for row in health["segments"] if row["key"] == segment.key), None)
        last = reviews_due([segment])[segment.key].last
        measured = _measured(row, health) if row else {}
        questions = [
            {
                "key": key,
                "text": text,
                "measured": measured.get(key),
                "answer": (last.answers.get(key) if last else None),
            }
            for key, text in QUESTIONS.items()
        ]
        return self._page(
            request,
            "review",
            title=gettext("Review of %(segment)s") % {"segment": segment},
            segment=segment,
            questions=questions,
            reviews=segment.reviews.select_related("reviewed_by")[:10],
            page_url=page_url,
        )


def _measured(row: dict[str, Any], health: dict[str, Any]) -> dict[str, str]:
    """What the system knows about questions of the checklist."""
    pairs = [pair for pair in health["pairs"] if row["key"] in (pair["one"], pair["other"])]
    names = {other["key"]: other["path"] for other in health["segments"]}
    found = {
        "large_enough": ngettext("%(n)s account", "%(n)s accounts", row["size"]) % {"n": row["size"]},
        "covering": gettext("%(n)s of %(all)s target accounts are in no segment")
        % {"n": health["uncovered"]["targets"], "all": health["targets"]},
        "proven": ngettext("%(n)s customer in it", "%(n)s customers in it", row["customers"]) % {"n": row["customers"]}
        if row["holds_customers"]
        else gettext("by its rules it holds no customers: look at those that came out of it"),
        "growing": gettext("%(before)s accounts %(months)s months ago, %(now)s now")
        % {"before": row["year_ago"], "months": len(health["months"]) - 1, "now": row["size"]},
    }
    if row["pipeline_share"] is not None:
        found["best_chance"] = gettext("%(share)s %% of the open pipeline") % {
            "share": f"{100 * row['pipeline_share']:.0f}"
        }
    if pairs:
        others = [names[pair["other"] if pair["one"] == row["key"] else pair["one"]] for pair in pairs]
        found["distinct"] = gettext("overlaps much with %(others)s") % {"others": ", ".join(others)}
    else:
        found["distinct"] = gettext("overlaps much with no other segment")
    return found
