"""Accounts that may be one company, and accounts that were made one."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.accounts import Account
from segmentation.models.people import person


class DuplicateCandidate(models.Model):
    """Two accounts that may be the same company, with the reasons. Declined ones stay so until the reasons change."""

    class State(models.TextChoices):
        OPEN = "open", _("Waiting for review")
        DECLINED = "declined", _("Not the same")

    first = models.ForeignKey(
        Account, models.CASCADE, verbose_name=_("account"), related_name="duplicates_as_first", db_index=False
    )
    second = models.ForeignKey(
        Account, models.CASCADE, verbose_name=_("other account"), related_name="duplicates_as_second"
    )
    score = models.DecimalField(
        _("score"),
        max_digits=3,
        decimal_places=2,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("From 0 to 1: how likely it is that both are one company."),
    )
    reasons = models.JSONField(_("reasons"), default=list, help_text=_("Code and value of each."))
    fingerprint = models.BigIntegerField(_("fingerprint"), editable=False, help_text=_("Of the reasons."))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    note = models.CharField(_("note"), max_length=300, blank=True, default="")
    decided_by = person(_("decided by"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    found_at = models.DateTimeField(_("found"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("possible duplicate")
        verbose_name_plural = _("possible duplicates")
        ordering = ["-score", "id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="duplicate_pair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="duplicate_in_order"),
            models.CheckConstraint(condition=Q(score__range=(0, 1)), name="duplicate_score_0_to_1"),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True) | Q(state="declined", decided_at__isnull=False),
                name="duplicate_declined_with_time",
            ),
        ]
        indexes = [models.Index(fields=["state", "-score", "id"], name="duplicate_queue")]  # the review queue

    def __str__(self):
        return f"{self.first} / {self.second}"


class AccountMerge(models.Model):
    """Two accounts that were made one: what the merged one was known by, and all it takes to undo it.

    `account` is the account its facts belong to now, which another merge may have changed since.
    """

    account = models.ForeignKey(
        Account,
        models.SET_NULL,
        null=True,
        editable=False,
        verbose_name=_("account"),
        related_name="merges",
        help_text=_("Where the facts are now."),
    )
    survivor_key = models.BigIntegerField(_("key of the survivor"), editable=False)
    survivor_name = models.CharField(_("survivor"), max_length=300, editable=False)
    absorbed_key = models.BigIntegerField(_("key of the merged account"), editable=False)
    name = models.CharField(_("merged account"), max_length=300, editable=False)
    domain = models.CharField(_("its domain"), max_length=253, blank=True, default="", editable=False)
    source_system = models.CharField(_("its source system"), max_length=40, editable=False)
    external_id = models.CharField(  # noqa: DJ001 - none is null, as in accounts
        _("its external id"),
        max_length=200,
        null=True,
        editable=False,
        help_text=_("Imports and the API that name it reach the survivor."),
    )
    taken = ArrayField(
        models.CharField(max_length=80),
        verbose_name=_("fields taken over"),
        default=list,
        editable=False,
        help_text=_("Whose value is the merged account's; all other fields are the survivor's."),
    )
    counts = models.JSONField(_("facts moved"), default=dict, editable=False)
    note = models.CharField(_("note"), max_length=300, blank=True, default="")
    reasons = models.JSONField(_("reasons"), default=list, editable=False)
    absorbed_row = models.JSONField(_("the merged account as it was"), editable=False)
    before = models.JSONField(_("fields of the survivor before"), default=dict, editable=False)
    after = models.JSONField(_("fields of the survivor afterwards"), default=dict, editable=False)
    merged_at = models.DateTimeField(_("merged"), editable=False)
    merged_by = person(_("merged by"))
    undone_at = models.DateTimeField(_("undone"), null=True, editable=False)
    undone_by = person(_("undone by"))

    class Meta:
        verbose_name = _("merge of accounts")
        verbose_name_plural = _("merges of accounts")
        ordering = ["-merged_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(survivor_key=F("absorbed_key")), name="merge_of_two"),
            models.UniqueConstraint(
                fields=["absorbed_key"], condition=Q(undone_at__isnull=True), name="merge_absorbed_once"
            ),
        ]
        indexes = [
            # Imports find the survivor by what the merged account was known by.
            models.Index(
                fields=["source_system", "external_id"], condition=Q(undone_at__isnull=True), name="merge_external_id"
            ),
            models.Index(Lower("name"), condition=Q(undone_at__isnull=True), name="merge_name"),
            models.Index(fields=["domain"], condition=Q(undone_at__isnull=True), name="merge_domain"),
        ]

    def __str__(self):
        return f"{self.name} → {self.survivor_name}"


class MergedRows(models.Model):
    """What a merge did to the rows of one table: moved them, or wrote others in their place."""

    merge = models.ForeignKey(AccountMerge, models.CASCADE, verbose_name=_("merge"), related_name="rows")
    relation = models.CharField(
        _("relation"), max_length=120, help_text=_("Model and field, such as scoring.activity.account.")
    )
    moved = ArrayField(models.BigIntegerField(), verbose_name=_("moved"), default=list)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("afterwards"), null=True)
    newest = models.BigIntegerField(_("newest row of the table"), default=0)

    class Meta:
        verbose_name = _("rows of a merge")
        verbose_name_plural = _("rows of merges")
        constraints = [models.UniqueConstraint(fields=["merge", "relation"], name="mergedrows_relation_once")]

    def __str__(self):
        return f"{self.merge}: {self.relation}"


__all__ = ["AccountMerge", "DuplicateCandidate", "MergedRows"]
