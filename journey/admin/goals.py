"""Goals of segments in the admin: the list, the page of a goal, setting and changing one, and reviews."""

import csv
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from journey.admin.goal_figures import (
    STATUS_COLOURS,
    STATUS_NAMES,
    amount,
    baseline_words,
    goal_figure,
    goal_row,
    goal_title,
)
from journey.selectors.goal_kinds import find_kind, goal_kinds
from journey.selectors.goals import all_goals, goal_reports
from journey.services.goals import GIVEN, change_goal, create_goal, delete_goal, goal_problems, review_goal
from segmentation.admin.base import ProductAdmin, admin_url
from segmentation.errors import ProblemError
from segmentation.models import Segment, SegmentGoal
from segmentation.selectors.access import is_limited

TABS = ("running", "planned", "ended", "all")


class GoalForm(forms.ModelForm):  # type: ignore[type-arg]
    """Checked by the service, which knows what a goal is; its problems are shown at the fields."""

    kind = forms.ChoiceField(label=_("Kind"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            kinds: Any = self.fields["kind"]
            kinds.choices = [(key, kind.label) for key, kind in goal_kinds().items()]
            kinds.help_text = format_html_join("", "<b>{}</b>: {}<br>", _kinds_explained())
        if "segment" in self.fields:
            segments: Any = self.fields["segment"]
            segments.queryset = Segment.objects.exclude(purpose=Segment.Purpose.TRIGGER)
            of_segment = segments.widget
            of_segment.can_add_related = of_segment.can_change_related = of_segment.can_view_related = False
            of_segment.can_delete_related = False
        self.fields["baseline"].required = False
        self.fields["baseline"].help_text = _(
            "What a period as long as this one brings without the goal. Empty: taken from recorded history."
        )
        if self.instance.pk and self.instance.baseline_source == SegmentGoal.Source.RECORDED:
            self.initial["baseline"] = None

    def _post_clean(self) -> None:
        """The instance stays as it is stored: the service says whether the values are right, and stores them."""
        stored = SegmentGoal.objects.get(pk=self.instance.pk) if self.instance.pk else None
        named = {problem.field: problem for problem in goal_problems(self.values(), stored)} if not self.errors else {}
        for field, problem in named.items():
            self.add_error(field if field in self.fields else None, str(problem))

    def values(self) -> dict[str, Any]:
        """What was entered, as the service takes it."""
        found = {name: self.cleaned_data[name] for name in ("segment", "kind", *GIVEN) if name in self.cleaned_data}
        if found.get("baseline") is None and self.instance.baseline_source == SegmentGoal.Source.RECORDED:
            del found["baseline"]  # stays, unless what it rests on changes
        return found


def _kinds_explained() -> list[tuple[Any, Any]]:
    return [(kind.label, kind.help) for kind in goal_kinds().values()]


@admin.register(SegmentGoal)
class SegmentGoalAdmin(ProductAdmin):
    """Goals. One is set and changed in a form, and looked at and reviewed on a page of its own."""

    form = GoalForm
    fieldsets = [
        (_("What is to be reached"), {"fields": [("segment", "name"), "kind", ("target", "currency"), "product"]}),
        (_("When, and whose results count"), {"fields": [("first_day", "last_day"), ("members", "review_days")]}),
        (_("Where it starts from"), {"fields": [("baseline", "baseline_reason")]}),
        (_("Notes"), {"fields": ["note"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not is_limited(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not is_limited(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not is_limited(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["segment", "kind_label"] if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        title, _options = self.fieldsets[0]
        fields = [("segment", "name"), "kind_label", ("target", "currency"), "product"]
        return [(title, {"fields": fields}), *self.fieldsets[1:]]

    @admin.display(description=_("kind"))
    def kind_label(self, goal: SegmentGoal) -> str:
        return str(find_kind(goal.kind).label)

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_segmentgoal_{name}")

        return [
            page("<int:pk>/change/", self.page_view, "change"),
            page("<int:pk>/edit/", self.edit_view, "edit"),
            page("<int:pk>/review/", self.review_view, "review"),
            page("<int:pk>/figures.csv", self.csv_view, "csv"),
            *super().get_urls(),
        ]

    def _goal(self, request: HttpRequest, pk: int) -> SegmentGoal:
        if not self.has_view_permission(request):
            raise PermissionDenied
        goal = all_goals().filter(pk=pk).first()
        if goal is None:
            raise Http404
        return goal

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/segmentation/segmentgoal/{template}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "list_url": admin_url("segmentation_segmentgoal_changelist"),
                "may_add": self.has_add_permission(request),
                "may_change": self.has_change_permission(request),
                "may_delete": self.has_delete_permission(request),
                "is_limited": is_limited(request.user),
                **context,
            },
        )

    # --- The list ------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Goals with how they stand: those that run, that are planned, that ended, or all."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        today = timezone.localtime(now).date()
        segment = Segment.objects.filter(key=request.GET.get("segment", "")).first()
        goals = list(all_goals().filter(segment=segment) if segment else all_goals())
        of_tab = {
            "running": [goal for goal in goals if goal.first_day <= today <= goal.last_day],
            "planned": [goal for goal in goals if goal.first_day > today],
            "ended": [goal for goal in goals if goal.last_day < today],
            "all": goals,
        }
        tab = request.GET.get("show", "")
        tab = tab if tab in TABS else "running" if of_tab["running"] else "all"
        reports = goal_reports(of_tab[tab], now, request.user)
        rows = [goal_row(report) | {"url": _url("change", report.goal.pk)} for report in reports]
        names = {"running": _("Running"), "planned": _("Planned"), "ended": _("Ended"), "all": _("All")}
        within = f"&segment={segment.key}" if segment else ""
        return self._page(
            request,
            "list",
            title=gettext("Goals"),
            segment=segment,
            rows=rows,
            number=len(goals),
            counted=[
                {"name": STATUS_NAMES[status], "color": color, "number": sum(row["status"] == status for row in rows)}
                for status, color in STATUS_COLOURS.items()
            ],
            tabs=[
                {"name": names[key], "number": len(of_tab[key]), "url": f"?show={key}{within}", "active": key == tab}
                for key in TABS
            ],
            add_url=_url("add") + (f"?segment={segment.pk}" if segment else ""),
            segments_url=admin_url("segmentation_segment_changelist"),
            has_segments=bool(segment) or Segment.objects.exists(),
        )

    # --- The page of a goal --------------------------------------------------------------------------------------

    def page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How a goal stands, with its course, its baseline and its reviews."""
        goal = self._goal(request, pk)
        [report] = goal_reports([goal], timezone.now(), request.user, with_course=True)
        found = report.progress
        limited = found is None
        return self._page(
            request,
            "page",
            title=goal_title(goal),
            goal=goal,
            kind=report.kind,
            row=goal_row(report),
            report=report,
            counted=amount(report.counted, goal),
            baseline=amount(report.aim.baseline, goal),
            baseline_from="" if limited else baseline_words(goal),
            notes=list(report.notes.values()),
            points=[
                {"at": point["at"], "value": amount(point["value"], goal), "expected": amount(point["expected"], goal)}
                for point in report.dated_points()
            ],
            figures={} if limited else {"course": goal_figure(report)},
            reviews=[] if limited else goal.reviews.select_related("reviewed_by")[:20],
            status_names=STATUS_NAMES,
            segment_url=admin_url("segmentation_segment_change", goal.segment_id),
            edit_url=_url("edit", goal.pk),
            review_url=_url("review", goal.pk),
            csv_url=_url("csv", goal.pk),
            delete_url=_url("delete", goal.pk),
        )

    def csv_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The course of a goal, a line for each point."""
        goal = self._goal(request, pk)
        if is_limited(request.user):  # it is of all accounts
            raise PermissionDenied
        [report] = goal_reports([goal], timezone.now(), with_course=True)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="goal-{goal.pk}.csv"'
        writer = csv.writer(response)
        writer.writerow(["at", "value", "expected", "unit"])
        unit = goal.currency or report.kind.unit
        for point in report.dated_points():
            writer.writerow([point["at"].isoformat(), round(point["value"], 4), round(point["expected"], 4), unit])
        return response

    def review_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Keep a review."""
        goal = self._goal(request, pk)
        if not self.has_change_permission(request, goal):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            review_goal(goal=goal, note=request.POST.get("note", ""), user=request.user)
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            self.log_change(request, goal, gettext("Reviewed."))
            messages.success(request, gettext("The review is kept."))
        return HttpResponseRedirect(_url("change", pk))

    # --- Setting and changing ------------------------------------------------------------------------------------

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The form of a goal."""
        goal = self._goal(request, pk)
        if not self.has_change_permission(request, goal):
            raise PermissionDenied
        return self.changeform_view(request, str(pk))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        context = {**(extra_context or {}), "show_save_and_continue": False}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except ProblemError as problem:  # what somebody else has stored since the form was checked
            messages.error(request, str(problem))
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: SegmentGoal, form: Any, change: bool) -> None:
        if change:
            change_goal(goal=SegmentGoal.objects.select_related("segment").get(pk=obj.pk), **form.values())
        else:
            obj.pk = create_goal(user=request.user, **form.values()).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: SegmentGoal) -> None:
        delete_goal(goal=obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def response_add(self, request: HttpRequest, obj: SegmentGoal, post_url_continue: str | None = None) -> Any:
        if "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        messages.success(request, gettext("The goal is set. Its baseline is %(baseline)s.") % {
            "baseline": amount(float(obj.baseline), obj)
        })  # fmt: skip
        return HttpResponseRedirect(_url("change", obj.pk))

    def response_change(self, request: HttpRequest, obj: SegmentGoal) -> HttpResponse:
        messages.success(request, gettext("The goal is changed."))
        return HttpResponseRedirect(_url("change", obj.pk))


def _url(name: str, *args: Any) -> str:
    return admin_url(f"segmentation_segmentgoal_{name}", *args) or ""
