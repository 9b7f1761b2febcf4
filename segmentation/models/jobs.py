"""Work done in the background, with progress a person can watch."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.people import person


class Job(models.Model):
    """One piece of background work. The row decides who may run it; see `segmentation.services.jobs`."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    kind = models.CharField(_("kind"), max_length=60)
    title = models.CharField(_("title"), max_length=200)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.QUEUED)
    step = models.CharField(_("step"), max_length=200, blank=True, default="")
    progress = models.FloatField(_("progress"), default=0, help_text=_("From 0 to 1."))
    result = models.JSONField(_("result"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True, default="")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("attempts allowed"), default=2)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    requested_by = person(_("requested by"), editable=True)
    # One unfinished job for each key: a second request joins the first.
    unique_key = models.CharField(  # noqa: DJ001 - none is null: jobs without a key do not exclude each other
        max_length=200, null=True, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["unique_key"], condition=Q(state__in=["queued", "running"]), name="job_one_unfinished_per_key"
            )
        ]

    def __str__(self):
        return self.title
