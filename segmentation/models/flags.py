"""Dated marks on an account set by a person or a rule, disqualification above all."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.accounts import Account
from segmentation.models.changes import touch_triggers
from segmentation.models.people import person


class FlagType(models.Model):
    """A kind of mark. `disqualified` is ready-made and is what the stage Disqualified reads."""

    DISQUALIFIED = "disqualified"

    key = models.SlugField(_("key"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(_("description"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("flag")
        verbose_name_plural = _("flags")
        ordering = ["name"]

    def __str__(self):
        return self.name


class AccountFlagQuerySet(models.QuerySet["AccountFlag"]):
    """Flags, and what is often asked of them."""

    def disqualifying(self) -> "AccountFlagQuerySet":
        """Those by which an account is disqualified now, as such: on every list."""
        return self.filter(flag_type__key=FlagType.DISQUALIFIED, end_at__isnull=True)


class AccountFlag(models.Model):
    """A flag on an account from `start_at` until `end_at` (open when empty). Ended, never deleted: history reads it."""

    account = models.ForeignKey(Account, models.CASCADE, verbose_name=_("account"), related_name="flags")
    flag_type = models.ForeignKey(FlagType, models.PROTECT, verbose_name=_("flag"), related_name="account_flags")
    start_at = models.DateTimeField(_("from"))
    end_at = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("Empty: still in force."))
    reason = models.CharField(
        _("reason"), max_length=300, help_text=_("Shown wherever the flag is the answer to “why”.")
    )
    set_by = person(_("set by"))
    ended_by = person(_("ended by"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)

    objects = AccountFlagQuerySet.as_manager()

    class Meta:
        verbose_name = _("account flag")
        verbose_name_plural = _("account flags")
        ordering = ["-start_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(end_at__isnull=True) | Q(end_at__gt=F("start_at")), name="accountflag_ends_after_start"
            ),
            # One-value ranges stand in for equality, so that no database extension is needed.
            ExclusionConstraint(
                name="accountflag_once_at_a_time",
                expressions=[
                    (
                        Func(F("account_id"), F("account_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func(F("flag_type_id"), F("flag_type_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (Func(F("start_at"), F("end_at"), function="tstzrange"), RangeOperators.OVERLAPS),
                ],
            ),
        ]
        triggers = touch_triggers("accountflag", account="r.account_id")

    def __str__(self):
        return f"{self.account}: {self.flag_type}"
