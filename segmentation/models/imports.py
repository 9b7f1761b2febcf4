"""How files are read, and what became of each."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.people import person


class ImportTarget(models.TextChoices):
    ACCOUNTS = "accounts", _("Accounts")
    CONTACTS = "contacts", _("Contacts")
    ACTIVITIES = "activities", _("Activities")
    OPPORTUNITIES = "opportunities", _("Opportunities")
    OPPORTUNITY_CHANGES = "opportunity-changes", _("Opportunity changes")
    LIST_MEMBERS = "list-members", _("Members of target account lists")
    COSTS = "costs", _("Costs")
    INTENT_SIGNALS = "intent-signals", _("Intent signals")


class ImportMapping(models.Model):
    """Which column of a file is which field, kept for the next file of the same shape."""

    key = models.SlugField(_("key"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    target = models.CharField(_("what the file holds"), max_length=20, choices=ImportTarget)
    spec = models.JSONField(_("mapping"), default=dict)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("import mapping")
        verbose_name_plural = _("import mappings")
        ordering = ["name"]

    def __str__(self):
        return self.name


class ImportRun(models.Model):
    """One file that was imported or tried out, with what was counted and what was wrong."""

    class State(models.TextChoices):
        PREVIEW = "preview", _("Preview")
        DONE = "done", _("Done")
        DONE_WITH_BAD_ROWS = "partial", _("Done, bad rows left out")
        FAILED = "failed", _("Failed")

    target = models.CharField(_("what the file holds"), max_length=20, choices=ImportTarget)
    file_name = models.CharField(_("file name"), max_length=300)
    file_sha256 = models.CharField(_("checksum"), max_length=64, blank=True)
    upload = models.CharField(
        _("uploaded file"),
        max_length=80,
        blank=True,
        default="",
        editable=False,
        help_text=_("Where an upload waits to be imported, below the folder of uploads."),
    )
    state = models.CharField(_("state"), max_length=8, choices=State)
    spec = models.JSONField(_("mapping"), default=dict)
    report = models.JSONField(_("report"), default=dict)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    requested_by = person(_("requested by"), editable=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-id"]

    def __str__(self):
        return self.file_name
