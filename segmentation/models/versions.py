"""What versions of journeys and of profiles have in common: a draft is edited, what was published never changes."""

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.people import person


class DraftedVersion(models.Model):
    """One numbered state of rules. A draft may be edited; a published version is kept as it is for ever.

    A model of it adds what it is a version of, unique numbers, at most one draft, and `published_is_final`.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")

    number = models.PositiveIntegerField(_("version"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    note = models.CharField(
        _("note"),
        max_length=300,
        blank=True,
        default="",
        help_text=_("What changed and why; shown in the list of versions."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    created_by = person(_("created by"), editable=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    published_by = person(_("published by"), editable=True)

    class Meta:
        abstract = True

    @property
    def is_draft(self):
        return self.state == self.State.DRAFT


def published_is_final(name, *columns):
    """A trigger that refuses to write these columns of a published version."""
    return pgtrigger.Protect(
        name=name, operation=pgtrigger.UpdateOf(*columns), condition=pgtrigger.Q(old__state="published")
    )


def draft_only_triggers(name, version_table, version_of, message):
    """Triggers that let the parts of a version be written only while it is a draft.

    version_of: SQL of the version's key, with `{row}` for NEW or OLD. When the version itself is gone (what it is a
    version of is being deleted) the write passes. message: what is said to who tries.
    """
    check = (
        f"IF EXISTS (SELECT 1 FROM {version_table} v WHERE v.id = " + version_of + " AND v.state <> 'draft') "
        f"THEN RAISE EXCEPTION '{message}' "
        "USING ERRCODE = 'check_violation'; END IF;"
    )
    return [
        pgtrigger.Trigger(
            name=f"{name}_draft_only_{operation.lower()}",
            when=pgtrigger.Before,
            operation=getattr(pgtrigger, operation),
            func=" ".join(check.format(row=row) for row in rows) + f" RETURN {rows[0]};",
        )
        for operation, rows in (("Insert", ["NEW"]), ("Update", ["NEW", "OLD"]), ("Delete", ["OLD"]))
    ]
