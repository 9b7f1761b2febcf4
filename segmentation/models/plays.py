"""Plays: when an account begins to do this, suggest that. The trigger is the rule of a segment."""

import pghistory
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from segmentation.models.accounts import Account
from segmentation.models.people import person
from segmentation.models.segments import Segment

LONGEST_COOL_DOWN = 3650


@pghistory.track()
class Play(models.Model):
    """An observed behaviour, the behaviour wanted next, and what brings it about: action, content and goal."""

    key = models.SlugField(_("key"), max_length=60, unique=True, help_text=_("Short name used by the API."))
    name = models.CharField(_("name"), max_length=120)
    trigger = models.ForeignKey(
        Segment,
        models.PROTECT,
        verbose_name=_("trigger"),
        related_name="plays",
        help_text=_("An account gets a suggestion when it begins to be in this segment."),
    )
    observed = models.CharField(
        _("observed behaviour"),
        max_length=300,
        blank=True,
        default="",
        help_text=_("What the trigger means, in your words: sales reps read this instead of the rule."),
    )
    wanted = models.CharField(
        _("wanted behaviour"), max_length=300, blank=True, default="", help_text=_("What the account should do next.")
    )
    action = models.CharField(_("suggested action"), max_length=500, help_text=_("What is to be done, and by whom."))
    content = models.CharField(
        _("content"), max_length=500, blank=True, default="", help_text=_("What to send, show or invite to.")
    )
    goal = models.CharField(
        _("goal"), max_length=300, blank=True, default="", help_text=_("By what you will see that it worked.")
    )
    owner = person(_("owner"), _("Who keeps the play up to date."), editable=True)
    cool_down_days = models.PositiveSmallIntegerField(
        _("not again for days"),
        default=30,
        validators=[MaxValueValidator(LONGEST_COOL_DOWN)],
        help_text=_("After a suggestion the same account gets no other one of this play for so many days."),
    )
    include_present = models.BooleanField(
        _("also accounts that are there already"),
        default=False,
        help_text=_("When off, only accounts whose trigger begins after the play was started get suggestions."),
    )
    active = models.BooleanField(_("active"), default=True, help_text=_("When off, it makes no new suggestions."))
    started_at = models.DateTimeField(_("started"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("play")
        verbose_name_plural = _("plays")
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cool_down_days__lte=LONGEST_COOL_DOWN), name="play_cool_down_at_most_ten_years"
            )
        ]

    def __str__(self):
        return gettext(self.name) if self.name else self.key


class PlaySuggestion(models.Model):
    """What a play suggests for an account, and what became of it. Kept, whatever became of it."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACCEPTED = "accepted", _("Accepted")
        DONE = "done", _("Done")
        DISMISSED = "dismissed", _("Dismissed")
        LAPSED = "lapsed", _("Lapsed")

    class Result(models.TextChoices):
        REACHED = "reached", _("Goal reached")
        NOT_REACHED = "not_reached", _("Goal not reached")
        UNKNOWN = "unknown", _("Not known yet")

    LIVE = (State.OPEN, State.ACCEPTED)

    play = models.ForeignKey(Play, models.PROTECT, verbose_name=_("play"), related_name="suggestions")
    account = models.ForeignKey(
        Account, models.CASCADE, verbose_name=_("account"), related_name="play_suggestions", db_index=False
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    trigger_at = models.DateTimeField(_("trigger since"), help_text=_("When the account began to meet the trigger."))
    made_at = models.DateTimeField(_("suggested"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    decided_by = person(_("decided by"), editable=True)
    result = models.CharField(_("result"), max_length=12, choices=Result, blank=True, default="")
    note = models.CharField(_("note"), max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("suggestion of a play")
        verbose_name_plural = _("suggestions of plays")
        ordering = ["-made_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["play", "account"],
                condition=Q(state__in=("open", "accepted")),
                name="playsuggestion_one_live",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("open", "accepted"), closed_at__isnull=True)
                | (~Q(state__in=("open", "accepted")) & Q(closed_at__isnull=False)),
                name="playsuggestion_closed_when_decided",
            ),
            models.CheckConstraint(
                condition=~Q(state="dismissed") | ~Q(note=""), name="playsuggestion_dismissed_with_reason"
            ),
            models.CheckConstraint(
                condition=Q(state="done") & ~Q(result="") | ~Q(state="done") & Q(result=""),
                name="playsuggestion_result_when_done",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-made_at"], name="playsuggestion_account"),  # of one account, cool-down
            models.Index(fields=["state", "-made_at", "-id"], name="playsuggestion_queue"),  # the queue
        ]

    def __str__(self):
        return f"{self.play}: {self.account}"
