"""What marketing and sales cost, and what currencies are worth."""

import pghistory
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from segmentation.models.accounts import SourcedModel

three_letters = RegexValidator(r"^[A-Z]{3}$", _("Write three capital letters, such as EUR."))


@pghistory.track()
class Cost(SourcedModel):
    """Money spent from the first to the last day, both included; it is spread evenly over these days."""

    class Kind(models.TextChoices):
        MEDIA = "media", _("Media")
        LABOUR = "labour", _("Labour")
        TECHNOLOGY = "technology", _("Technology")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"), help_text=_("The cost is spread evenly from the first to this day."))
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2, validators=[MinValueValidator(0)])
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        default="",
        validators=[three_letters],
        help_text=_("Three letters. Empty: the currency reports are in."),
    )
    campaign = models.CharField(
        _("campaign"), max_length=120, blank=True, default="", help_text=_("As the activities of the campaign name it.")
    )
    channel = models.CharField(_("channel"), max_length=120, blank=True, default="")
    note = models.CharField(_("note"), max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("cost")
        verbose_name_plural = _("costs")
        ordering = ["-first_day", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["source_system", "external_id"], name="cost_external_id_once"),
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")),
                name="cost_ends_after_start",
                violation_error_message=_("The last day lies before the first."),
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="cost_not_negative"),
        ]

    def __str__(self):
        return f"{self.get_kind_display()} {self.first_day:%Y-%m-%d}: {self.amount} {self.currency}".strip()


@pghistory.track()
class ExchangeRate(models.Model):
    """What one unit of a currency is worth in another, from a day on until the next rate of the pair."""

    currency = models.CharField(_("currency"), max_length=3, validators=[three_letters])
    into = models.CharField(_("in the currency"), max_length=3, validators=[three_letters])
    day = models.DateField(_("from the day"), help_text=_("It holds until the day of the next rate of this pair."))
    rate = models.DecimalField(
        _("rate"),
        max_digits=20,
        decimal_places=10,
        help_text=_("How much of the second currency one unit of the first is worth. The way back is worked out."),
    )

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        ordering = ["currency", "into", "-day"]
        constraints = [
            models.UniqueConstraint(fields=["currency", "into", "day"], name="exchangerate_once_a_day"),
            models.CheckConstraint(
                condition=Q(rate__gt=0),
                name="exchangerate_positive",
                violation_error_message=_("A rate is more than 0."),
            ),
            models.CheckConstraint(
                condition=~Q(currency=F("into")),
                name="exchangerate_two_currencies",
                violation_error_message=_("The two currencies are the same."),
            ),
        ]

    def __str__(self):
        return f"{self.currency}/{self.into} {self.day:%Y-%m-%d}: {self.rate.normalize():f}"


__all__ = ["Cost", "ExchangeRate"]
