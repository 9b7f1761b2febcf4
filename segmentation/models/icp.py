"""Ideal customer profiles: versioned checklists, what people answered, and how well accounts fit."""

import pgtrigger
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from segmentation.models.accounts import Account
from segmentation.models.changes import TransactionIdField
from segmentation.models.people import person
from segmentation.models.versions import DraftedVersion, draft_only_triggers, published_is_final

MOST_WEIGHT = 1000


class IcpProfile(models.Model):
    """What the best customers have in common. What it says at a time is in its versions."""

    DEFAULT = "default"

    key = models.SlugField(
        _("key"), max_length=60, unique=True, help_text=_("Short name used by commands and the API.")
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True, default="")

    class Meta:
        verbose_name = _("ideal customer profile")
        verbose_name_plural = _("ideal customer profiles")
        ordering = ["name", "id"]

    def __str__(self):
        return gettext(self.name) if self.name else self.key


class IcpVersion(DraftedVersion):
    """One checklist. Its assessments are its own."""

    profile = models.ForeignKey(IcpProfile, models.CASCADE, verbose_name=_("profile"), related_name="versions")

    class Meta:
        verbose_name = _("version of a profile")
        verbose_name_plural = _("versions of profiles")
        ordering = ["profile", "-number"]
        permissions = [("publish_icpversion", "Can publish versions of profiles")]
        constraints = [
            models.UniqueConstraint(fields=["profile", "number"], name="icpversion_number_once"),
            models.UniqueConstraint(fields=["profile"], condition=Q(state="draft"), name="icpversion_one_draft"),
        ]
        triggers = [published_is_final("icpversion_published_is_final", "profile_id", "number", "state")]

    def __str__(self):
        return f"{self.profile} v{self.number}"


class IcpItem(models.Model):
    """One question of a checklist. Its key is what answers belong to, so they outlive the version."""

    class Section(models.TextChoices):
        CONSIDERATIONS = "considerations", _("Common considerations")
        LOYALTY = "loyalty", _("Traits that make customers stay")
        CUSTOM = "custom", _("Your own")

    class Kind(models.TextChoices):
        RULE = "rule", _("Rule: answered by the system")
        YES_NO = "yes_no", _("Yes or no: answered by a person")
        SCALE = "scale", _("Scale from 1 to 5: answered by a person")

    class Unknown(models.TextChoices):
        LEAVE_OUT = "leave_out", _("is left out")
        AS_NO = "as_no", _("counts as no")
        AS_YES = "as_yes", _("counts as yes")

    version = models.ForeignKey(IcpVersion, models.CASCADE, verbose_name=_("version"), related_name="items")
    key = models.SlugField(
        _("key"),
        max_length=60,
        help_text=_("Answers belong to it: an item that keeps its key in the next version keeps its answers."),
    )
    section = models.CharField(_("section"), max_length=20, choices=Section, default=Section.CUSTOM)
    order = models.PositiveSmallIntegerField(_("order"), default=0)
    text = models.CharField(_("statement"), max_length=300, help_text=_("True of an account that fits."))
    help = models.CharField(_("help"), max_length=500, blank=True, default="")
    kind = models.CharField(_("answered by"), max_length=10, choices=Kind, default=Kind.YES_NO)
    rule = models.JSONField(
        _("rule"),
        null=True,
        blank=True,
        help_text=_("Only for rules: criteria as in the rules of a journey."),
    )
    weight = models.PositiveSmallIntegerField(
        _("weight"),
        default=1,
        validators=[MaxValueValidator(MOST_WEIGHT)],
        help_text=_("How much it counts beside the others. 0: shown, not counted."),
    )
    knock_out = models.BooleanField(
        _("knock-out"), default=False, help_text=_("An account that fails it has a fit of 0, whatever else holds.")
    )
    unknown = models.CharField(
        _("without an answer it"),
        max_length=10,
        choices=Unknown,
        default=Unknown.LEAVE_OUT,
        help_text=_("The coverage counts it as not known in any case."),
    )

    class Meta:
        verbose_name = _("item of a checklist")
        verbose_name_plural = _("items of checklists")
        ordering = ["version", "order", "id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="icpitem_key_once"),
            models.CheckConstraint(condition=Q(weight__lte=MOST_WEIGHT), name="icpitem_weight_to_1000"),
            models.CheckConstraint(
                condition=Q(kind="rule", rule__isnull=False) | (~Q(kind="rule") & Q(rule__isnull=True)),
                name="icpitem_rule_where_kind_is_rule",
            ),
        ]
        triggers = draft_only_triggers(
            "icpitem",
            "segmentation_icpversion",
            "{row}.version_id",
            "A published version of a profile cannot be changed; make a draft of it first.",
        )

    def __str__(self):
        return gettext(self.text)


# Kinds of items that people answer.
ANSWERED_KINDS = [(kind.value, kind.label) for kind in (IcpItem.Kind.YES_NO, IcpItem.Kind.SCALE)]


class IcpAnswer(models.Model):
    """What a person answered for an account. Never changed: of several answers the last counts, all are kept."""

    profile = models.ForeignKey(IcpProfile, models.CASCADE, verbose_name=_("profile"), related_name="answers")
    item_key = models.SlugField(_("item"), max_length=60)
    account = models.ForeignKey(Account, models.CASCADE, verbose_name=_("account"), related_name="icp_answers")
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=ANSWERED_KINDS,
        help_text=_("How it was asked: an answer to a scale is none to a yes or no."),
    )
    value = models.PositiveSmallIntegerField(
        _("answer"),
        null=True,
        blank=True,
        help_text=_("Yes 1, no 0; a scale 1 to 5. Empty: not known any more."),
    )
    note = models.CharField(_("description"), max_length=500, blank=True, default="")
    answered_by = person(_("answered by"), editable=True)
    answered_at = models.DateTimeField(_("answered"), db_default=Now())
    txid = TransactionIdField(db_default=Func(function="pg_current_xact_id"), editable=False)

    class Meta:
        verbose_name = _("answer")
        verbose_name_plural = _("answers")
        ordering = ["-answered_at", "-id"]
        indexes = [
            # The last answer to each item, for an account and for all.
            models.Index(
                F("profile"),
                F("account"),
                F("item_key"),
                F("answered_at").desc(),
                F("id").desc(),
                name="icpanswer_last",
            ),
            models.Index(fields=["txid"], name="icpanswer_txid"),  # what was answered since a snapshot
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(value__isnull=True)
                | Q(kind="yes_no", value__in=[0, 1])
                | Q(kind="scale", value__range=(1, 5)),
                name="icpanswer_value_of_its_kind",
            )
        ]
        triggers = [
            pgtrigger.Protect(
                name="icpanswer_is_kept",
                operation=pgtrigger.UpdateOf(
                    "profile_id", "item_key", "account_id", "kind", "value", "note", "answered_at"
                ),
            )
        ]

    def __str__(self):
        return f"{self.account}: {self.item_key}"


class IcpAssessment(models.Model):
    """How well an account fits a version of a profile, from `made_at` until `ended_at` (open: the present one).

    A new row is made only when an answer changed; the rows of an account are its history.
    """

    class Grade(models.TextChoices):
        A = "A", "A"
        B = "B", "B"
        C = "C", "C"
        D = "D", "D"

    version = models.ForeignKey(IcpVersion, models.CASCADE, verbose_name=_("version"), related_name="assessments")
    account = models.ForeignKey(Account, models.CASCADE, verbose_name=_("account"), related_name="icp_assessments")
    score = models.DecimalField(
        _("fit"),
        max_digits=5,
        decimal_places=2,
        null=True,
        help_text=_("0 to 100. Empty: nothing is known, so there is no verdict."),
    )
    grade = models.CharField(
        _("grade"),
        max_length=1,
        choices=Grade,
        blank=True,
        default="",
        help_text=_("A from 80, B from 60, C from 40, else D. None while less than half is known."),
    )
    coverage = models.DecimalField(
        _("coverage"), max_digits=5, decimal_places=2, help_text=_("Per cent of the weight that is known.")
    )
    reasons = models.JSONField(_("reasons"), default=dict, help_text=_("Keys of items: met, unmet, unknown."))
    fingerprint = models.BigIntegerField(
        _("fingerprint"), editable=False, help_text=_("Of all answers together: another one means that some changed.")
    )
    made_at = models.DateTimeField(_("from"))
    ended_at = models.DateTimeField(_("until"), null=True, blank=True)
    due_at = models.DateTimeField(
        _("due"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When a rule may begin or cease to hold by itself: a window moves on. Empty: never."),
    )

    txid = TransactionIdField(db_default=Func(function="pg_current_xact_id"), editable=False)

    class Meta:
        verbose_name = _("fit of an account")
        verbose_name_plural = _("fit of accounts")
        ordering = ["-made_at", "-id"]
        indexes = [
            # The history of an account; the present fit of all accounts by grade.
            models.Index(fields=["txid"], name="icpassessment_txid"),  # what rules that read the fit have not seen
            models.Index(F("account"), F("version"), F("made_at").desc(), name="icpassessment_history"),
            models.Index(fields=["version", "grade"], condition=Q(ended_at__isnull=True), name="icpassessment_grades"),
            models.Index(fields=["-made_at", "-id"], name="icpassessment_newest"),  # the admin's list
            # Whom time alone may have changed.
            models.Index(
                fields=["version", "due_at"],
                condition=Q(ended_at__isnull=True, due_at__isnull=False),
                name="icpassessment_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "account"], condition=Q(ended_at__isnull=True), name="icpassessment_one_present"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("made_at")),
                name="icpassessment_ends_after_start",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="icpassessment_is_kept",
                operation=pgtrigger.UpdateOf(
                    "version_id", "account_id", "score", "grade", "coverage", "reasons", "fingerprint", "made_at"
                ),
            )
        ]

    def __str__(self):
        return f"{self.account}: {self.grade or '-'}"


class IcpRun(models.Model):
    """Up to which state of the facts all accounts were assessed by a version: what changed since comes next."""

    version = models.OneToOneField(
        IcpVersion, models.CASCADE, primary_key=True, verbose_name=_("version"), related_name="run"
    )
    snapshot = models.TextField(_("snapshot"), help_text=_("The state of the database the facts were read from."))
    reads = models.JSONField(
        _("histories read"),
        default=dict,
        help_text=_("By name of the journey: the history its stages were read from, and the snapshot of that."),
    )
    made_at = models.DateTimeField(_("assessed"))

    class Meta:
        verbose_name = _("run of assessments")
        verbose_name_plural = _("runs of assessments")

    def __str__(self):
        return f"{self.version}: {self.made_at:%Y-%m-%d %H:%M}"
