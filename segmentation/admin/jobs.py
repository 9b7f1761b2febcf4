"""Work in the background: to be watched, never edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import display

from segmentation.admin.base import ReadOnlyAdmin, chip, progress_bar
from segmentation.models import Job

COLOURS = {
    Job.State.QUEUED: "#64748b",
    Job.State.RUNNING: "#2563eb",
    Job.State.DONE: "#16a34a",
    Job.State.FAILED: "#dc2626",
}


def bar_of(job: Job) -> Any:
    """Return the progress of a job as a bar; while it runs, with what it is doing."""
    share = 1.0 if job.state == Job.State.DONE else job.progress
    return progress_bar(share, job.step if job.state == Job.State.RUNNING else "")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["title", "state_chip", "bar", "created_at", "took", "requested_by"]
    list_select_related = ["requested_by"]
    list_filter = [("state", ChoicesCheckboxFilter)]
    search_fields = ["title", "kind"]
    sortable_by = ["created_at"]
    empty_text = _("Work in the background shows here: rebuilding a history, importing a large file.")
    list_before_template = "admin/segmentation/job/watch_list.html"
    change_form_outer_before_template = "admin/segmentation/job/watch.html"
    fieldsets = [
        (None, {"fields": [("title", "kind"), ("state_chip", "bar"), "step", "error_text"]}),
        (_("When"), {"fields": [("created_at", "requested_by"), ("started_at", "finished_at"), "took"]}),
        (
            _("Details"),
            {"fields": ["params", "result", ("attempts", "max_attempts"), "lease_until"], "classes": ["collapse"]},
        ),
    ]
    readonly_fields = ["state_chip", "bar", "took", "error_text"]

    @display(description=_("state"), ordering="state")
    def state_chip(self, job: Job) -> Any:
        return chip(job.get_state_display(), COLOURS[Job.State(job.state)])

    @display(description=_("progress"))
    def bar(self, job: Job) -> Any:
        return bar_of(job)

    @display(description=_("seconds"))
    def took(self, job: Job) -> Any:
        if not (job.started_at and job.finished_at):
            return None
        return round((job.finished_at - job.started_at).total_seconds(), 1)

    @display(description=_("error"))
    def error_text(self, job: Job) -> str:
        return job.error or "-"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        busy = Job.objects.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING]).exists()
        return super().changelist_view(request, {**(extra_context or {}), "jobs_busy": busy})
