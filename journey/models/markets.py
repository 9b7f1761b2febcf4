"""The nested markets: from everybody down to the accounts with an open deal, each a part of the one before."""

import pghistory
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.models.journeys import Journey, Stage
from segmentation.models import IcpProfile, Segment, TargetList


def _named(model, verbose_name, help_text):
    """A link to what a test reads; it stays as long as a market names it."""
    return models.ForeignKey(
        model, models.PROTECT, null=True, blank=True, verbose_name=verbose_name, related_name="+", help_text=help_text
    )


@pghistory.track()
class MarketLevel(models.Model):
    """A market: the accounts of the one before that pass a test. What is left empty means the usual: see `test`."""

    class Test(models.TextChoices):
        EVERYBODY = "everybody", _("Every account")
        FIT = "fit", _("Fits an ideal customer profile")
        LIST = "list", _("On a target account list")
        SEGMENT = "segment", _("In a segment")
        STAGE = "stage", _("In a stage of a journey or a later one")
        OPPORTUNITY = "opportunity", _("Has an open opportunity")

    key = models.SlugField(_("key"), max_length=40, unique=True, help_text=_("Short name used by the API."))
    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(
        _("description"), max_length=300, blank=True, default="", help_text=_("Who they are, for those who read it.")
    )
    color = models.CharField(
        _("colour"),
        max_length=7,
        default="#6366f1",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", _("Write it like #16a34a."))],
        help_text=_("In charts, like #6366f1."),
    )
    position = models.PositiveSmallIntegerField(
        _("position"), help_text=_("From the widest market to the narrowest. Each is a part of the one before it.")
    )
    test = models.CharField(
        _("test"), max_length=12, choices=Test, help_text=_("What an account of the market before must be to count.")
    )
    profile = _named(IcpProfile, _("profile"), _("For the test of fit. Empty: the first profile."))
    grades = models.CharField(
        _("grades"),
        max_length=10,
        blank=True,
        default="AB",
        validators=[RegexValidator(r"^A?B?C?D?$", _("Write the letters in order, such as AB."))],
        help_text=_("For the test of fit: these letters fit, such as AB."),
    )
    target_list = _named(TargetList, _("list"), _("For the test of lists. Empty: any target account list."))
    segment = _named(Segment, _("segment"), _("For the test of segments: any rule there is can be a segment."))
    journey = _named(Journey, _("journey"), _("For the test of stages. Empty: the journey of the start page."))
    stage = models.SlugField(
        _("stage"),
        max_length=60,
        blank=True,
        default="",
        help_text=_("For the test of stages: its key, such as aware. Later stages of the funnel count too."),
    )

    class Meta:
        verbose_name = _("market")
        verbose_name_plural = _("markets")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["position"],
                name="marketlevel_position_once",
                violation_error_message=_("Another market has this position: give each its own."),
            )
        ]

    def __str__(self):
        return gettext(self.name) if self.name else self.key

    def clean(self):
        """What the test needs is there, and nothing that it would not read."""
        needed = {
            self.Test.FIT: ("grades", _("Say which grades fit, such as AB.")),
            self.Test.SEGMENT: ("segment", _("Choose the segment.")),
            self.Test.STAGE: ("stage", _("Name the stage, such as aware.")),
        }
        problems = {}
        if self.test in needed and not getattr(self, needed[self.test][0]):
            field, remedy = needed[self.test]
            problems[field] = ValidationError(remedy, code="required")
        for field, test in READ_BY.items():
            if getattr(self, field) and self.test != test:
                text = _("The test “%(test)s” does not read this. Leave it empty, or choose another test.")
                problems[field] = ValidationError(
                    text, code="not_read", params={"test": self.Test(self.test).label if self.test else ""}
                )
        if self.journey_id and self.journey.unit != Journey.Unit.ACCOUNT:
            text = _("“%(value)s” is a journey of other things than accounts. Choose one of accounts.")
            problems["journey"] = ValidationError(text, code="wrong_unit", params={"value": self.journey})
        elif self.test == self.Test.STAGE and self.stage:
            known = stage_keys(self.journey)
            if self.stage not in known:
                text = _("There is no stage “%(value)s” in a funnel. There are: %(known)s.")
                values = {"value": self.stage, "known": ", ".join(known) or "–"}
                problems["stage"] = ValidationError(text, code="unknown_stage", params=values)
        if problems:
            raise ValidationError(problems)


# Fields that only one test reads.
READ_BY = {
    "profile": MarketLevel.Test.FIT,
    "target_list": MarketLevel.Test.LIST,
    "segment": MarketLevel.Test.SEGMENT,
    "journey": MarketLevel.Test.STAGE,
    "stage": MarketLevel.Test.STAGE,
}


def stage_keys(journey):
    """Keys of the stages in the funnel of a journey, or of any journey of accounts, as published."""
    stages = Stage.objects.filter(
        version__state="published", version__journey__unit=Journey.Unit.ACCOUNT, position__isnull=False
    )
    stages = stages.filter(version__journey=journey) if journey else stages
    return list(dict.fromkeys(stages.order_by("version__journey__order", "position").values_list("key", flat=True)))


__all__ = ["READ_BY", "MarketLevel"]
