"""Goals of segments: the only code that writes them. What they come to is worked out by `journey.selectors.goals`."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from journey.facts.deal_values import read_deal_values
from journey.models import Opportunity
from journey.models.costs import three_letters
from journey.selectors.explanations import instant_of
from journey.selectors.goal_kinds import GoalKind, find_kind
from journey.selectors.goal_kinds.base import MONEY
from journey.selectors.goals import Baseline, goal_reports, is_provisional, recorded_baseline
from journey.selectors.money import Rates, reporting_currency
from segmentation.errors import ConflictError, InvalidValueError, ProblemError, closest
from segmentation.models import GoalReview, Segment, SegmentGoal
from segmentation.services.snapshots import one_snapshot
from segmentation.services.users import Actor, author

LONGEST_DAYS = 3660
FIXED = ("segment", "kind")
# What a recorded baseline depends on: when one of these changes, it is taken again.
SHAPE = ("first_day", "last_day", "currency", "product", "members")
GIVEN = (
    "name", "first_day", "last_day", "target", "currency", "product", "members", "baseline", "baseline_reason", "note",
    "review_days",
)  # fmt: skip


class _Checked:
    """Values that were given for a goal, made ready to store; `problems` says why they cannot be."""

    def __init__(self, values: Mapping[str, Any], instance: SegmentGoal | None, now: dt.datetime) -> None:
        self.given = dict(values)
        self.instance = instance
        self.now = now
        self.problems: list[ProblemError] = []
        self.kind: GoalKind | None = None
        self.goal = SegmentGoal()
        self._copy()
        self._unknown_names()
        self._segment()
        self._kind()
        self._days()
        self._target()
        self._money()
        self._texts()
        if not self.problems:
            self._overlap()
        if not self.problems:
            self._baseline()

    def _refuse(self, message: Any, code: str, field: str, value: Any, remedy: Any, **params: Any) -> None:
        self.problems.append(
            InvalidValueError(message, code=code, field=field, value=value, remedy=remedy, params=params)
        )

    def _copy(self) -> None:
        if self.instance is not None:
            for column in SegmentGoal._meta.concrete_fields:
                setattr(self.goal, column.attname, getattr(self.instance, column.attname))
            self.goal.segment = self.instance.segment
        for name, value in self.given.items():
            if name in ("segment", "kind", *GIVEN) and name != "baseline":
                setattr(self.goal, name, value)

    def _unknown_names(self) -> None:
        for name, value in self.given.items():
            if self.instance is not None and name in FIXED and value != getattr(self.instance, name):
                self._refuse(
                    _("The %(field)s of a goal does not change."),
                    "fixed", name, value, _("Make another goal."),
                )  # fmt: skip
            elif name not in (*FIXED, *GIVEN):
                self._refuse(
                    _("A goal has no “%(field)s”."),
                    "unknown_key", name, value, _("There are: %(known)s."), known=", ".join((*FIXED, *GIVEN)),
                )  # fmt: skip

    def _segment(self) -> None:
        segment = self.goal.segment if self.goal.segment_id else None
        if self.instance is None and segment is not None and segment.purpose == Segment.Purpose.TRIGGER:
            self._refuse(
                _("“%(value)s” is the trigger of a play; goals are of segments and audiences."),
                "trigger", "segment", segment.key, _("Choose another, or say that it is made for a segment."),
            )  # fmt: skip

    def _kind(self) -> None:
        try:
            self.kind = find_kind(self.goal.kind)
        except ProblemError as problem:
            self.problems.append(problem)

    def _days(self) -> None:
        fine = True
        for name in ("first_day", "last_day"):
            value = getattr(self.goal, name)
            if not isinstance(value, dt.date) or isinstance(value, dt.datetime) or not 1990 <= value.year <= 2200:
                fine = False
                self._refuse(
                    _("“%(value)s” is no day of a goal."),
                    "bad_day", name, value, _("Give a day from 1990 on, such as 2026-03-31."),
                )  # fmt: skip
        if not fine:
            return
        first, last = self.goal.first_day, self.goal.last_day
        if last < first:
            self._refuse(
                _("The goal ends (%(value)s) before it starts (%(first)s)."),
                "ends_before_start", "last_day", last, _("Give a last day on or after the first."), first=first,
            )  # fmt: skip
        elif (last - first).days >= LONGEST_DAYS:
            self._refuse(
                _("The goal would last more than ten years."),
                "too_long", "last_day", last, _("Give a last day nearer to the first."),
            )  # fmt: skip

    def _number(self, name: str, value: Any, least: Decimal, column: str, *, above: bool) -> Decimal | None:
        field: Any = SegmentGoal._meta.get_field(column)
        try:
            number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            self._refuse(
                _("“%(value)s” is no finite number."), "not_finite", name, value, _("Give a number such as 25."),
            )  # fmt: skip
            return None
        most = Decimal(10) ** (field.max_digits - field.decimal_places)
        number = round(number, field.decimal_places) if abs(number) < most else number
        if number < least or (above and number == least) or number >= most:
            remedy = _("Give a number above %(least)s.") if above else _("Give a number from %(least)s on.")
            self._refuse(
                _("%(field)s: %(value)s cannot be used."), "out_of_range", name, value, remedy, least=least,
            )  # fmt: skip
            return None
        return number

    def _target(self) -> None:
        target = self._number("target", self.goal.target, Decimal(0), "target", above=True)
        if target is not None:
            self.goal.target = target

    def _money(self) -> None:
        goal, kind = self.goal, self.kind
        if kind is None:
            return
        goal.currency = str(goal.currency or "").strip().upper()
        if kind.unit != MONEY and goal.currency:
            self._refuse(
                _("A goal of the kind “%(kind)s” has no currency."),
                "no_currency", "currency", goal.currency, _("Leave it empty."), kind=kind.label,
            )  # fmt: skip
        elif kind.unit == MONEY:
            self._currency()
        goal.product = str(goal.product or "").strip()
        if goal.product and not kind.takes_product:
            self._refuse(
                _("A goal of the kind “%(kind)s” is not about a product."),
                "no_product", "product", goal.product, _("Leave it empty."), kind=kind.label,
            )  # fmt: skip
        elif goal.product:
            known = set(Opportunity.objects.exclude(product="").values_list("product", flat=True).distinct())
            if goal.product not in known:
                close = closest(goal.product, known)
                self._refuse(
                    _("No opportunity is of the product “%(value)s”."),
                    "unknown_product", "product", goal.product,
                    _("Did you mean “%(close)s”?") if close else _("There are: %(known)s."),
                    close=close, known=", ".join(sorted(known)[:20]) or "–",
                )  # fmt: skip

    def _currency(self) -> None:
        goal = self.goal
        with one_snapshot() as read:
            reported = reporting_currency(read_deal_values(read))
        if not goal.currency:
            goal.currency = reported
            return
        try:
            three_letters(goal.currency)
        except ValidationError as error:
            self._refuse(
                _("“%(value)s” is no currency."), "bad_currency", "currency", goal.currency, " ".join(error.messages)
            )
            return
        rate = Rates.stored(goal.currency).at(reported, np.array([instant_of(self.now)]))[0]
        if np.isnan(rate):
            self._refuse(
                _("There is no exchange rate between %(value)s and %(reported)s, which opportunities are in."),
                "no_rate", "currency", goal.currency, _("Store an exchange rate, or use %(reported)s."),
                reported=reported,
            )  # fmt: skip

    def _texts(self) -> None:
        for name in ("name", "note", "baseline_reason", "members", "review_days"):
            field: Any = SegmentGoal._meta.get_field(name)
            value = getattr(self.goal, name)
            try:
                if name == "review_days" and (isinstance(value, bool) or not isinstance(value, int)):
                    raise ValidationError(_("Enter a whole number."))
                if isinstance(value, str) and "\x00" in value:
                    raise ValidationError(_("Take out the characters that cannot be stored."))
                value = " ".join(value.split()) if isinstance(value, str) else value
                setattr(self.goal, name, field.clean(value, None))
            except ValidationError as error:
                self._refuse(_("“%(value)s” cannot be used here."), "invalid", name, value, " ".join(error.messages))

    def _overlap(self) -> None:
        goal = self.goal
        others = SegmentGoal.objects.filter(
            segment=goal.segment, kind=goal.kind, first_day__lte=goal.last_day, last_day__gte=goal.first_day
        )
        others = others.exclude(pk=self.instance.pk) if self.instance else others
        other = others.order_by("first_day").first()
        if other is not None:
            self.problems.append(
                ConflictError(
                    _("“%(segment)s” has a goal “%(kind)s” already from %(first)s to %(last)s (no. %(pk)s)."),
                    code="overlapping_goals",
                    field="first_day",
                    value=goal.first_day,
                    remedy=_("Change that one, or choose days that do not overlap with it."),
                    params={
                        "segment": goal.segment,
                        "kind": find_kind(goal.kind).label,
                        "first": date_format(other.first_day, "SHORT_DATE_FORMAT"),
                        "last": date_format(other.last_day, "SHORT_DATE_FORMAT"),
                        "pk": other.pk,
                    },
                )
            )

    def _baseline(self) -> None:
        goal, kept = self.goal, self.instance
        given = self.given.get("baseline")
        if given is None and "baseline" not in self.given and kept is not None:
            if kept.baseline_source == SegmentGoal.Source.GIVEN:
                given = kept.baseline
            elif not any(getattr(goal, name) != getattr(kept, name) for name in SHAPE):
                return
        if given is None:
            goal.baseline_reason = ""
            try:
                _take(goal, recorded_baseline(goal, self.now))
            except ProblemError as problem:
                self.problems.append(problem)
            return
        is_level = self.kind is not None and self.kind.is_level
        number = self._number("baseline", given, Decimal(0), "baseline", above=is_level)
        if number is None:
            return
        if not goal.baseline_reason:
            self._refuse(
                _("A baseline of %(value)s is given, but not where it is from."),
                "no_reason", "baseline_reason", given,
                _("Say what it rests on, or leave both empty: it is then taken from history."),
            )  # fmt: skip
            return
        goal.baseline, goal.baseline_source = number, SegmentGoal.Source.GIVEN
        goal.baseline_first_day = goal.baseline_last_day = None


def _take(goal: SegmentGoal, found: Baseline) -> None:
    goal.baseline = round(Decimal(repr(found.value)), 4)
    goal.baseline_source = SegmentGoal.Source.RECORDED
    goal.baseline_first_day, goal.baseline_last_day = found.first_day, found.last_day


def goal_problems(
    values: Mapping[str, Any], instance: SegmentGoal | None = None, now: dt.datetime | None = None
) -> list[ProblemError]:
    """Everything that keeps values from being those of a goal (a new one, or `instance` changed), each with its field.

    Overlaps are looked for once the values are right in themselves, and a baseline once there are none.
    """
    return _Checked(values, instance, now or timezone.now()).problems


def _stored(values: Mapping[str, Any], instance: SegmentGoal | None, now: dt.datetime | None) -> SegmentGoal:
    segment = instance.segment if instance else values["segment"]
    # One goal of a segment at a time, so that two that overlap cannot be stored at once.
    Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
    found = _Checked(values, instance, now or timezone.now())
    if found.problems:
        raise found.problems[0]
    return found.goal


@transaction.atomic
def create_goal(
    *, segment: Segment, kind: str, user: Actor = None, now: dt.datetime | None = None, **values: Any
) -> SegmentGoal:
    """A new goal of a segment, with its baseline.

    Args:
        segment: whose members' results count.
        kind: key of a kind of goal.
        now: up to when history is known.
        values: first_day, last_day, target; and currency, product, members, baseline with baseline_reason, name, note,
            review_days as wanted. Without a baseline it is taken from history.

    Raises:
        ConflictError: the segment has a goal of this kind in these days.
        ProblemError: a value cannot be used, or there is no baseline; nothing is stored then.
    """
    goal = _stored({"segment": segment, "kind": kind, **values}, None, now)
    goal.created_by = author(user)
    goal.save()
    return goal


@transaction.atomic
def change_goal(*, goal: SegmentGoal, now: dt.datetime | None = None, **values: Any) -> SegmentGoal:
    """Change a goal. Its segment and kind stay; a recorded baseline is taken again when it rests on what is changed,
    and with `baseline=None`.

    Raises as `create_goal`; nothing is changed then.
    """
    changed = _stored(values, goal, now)
    changed.save()
    return changed


@transaction.atomic
def delete_goal(*, goal: SegmentGoal) -> None:
    """Remove a goal with its reviews; what it was stays in its field history."""
    goal.delete()


@transaction.atomic
def review_goal(*, goal: SegmentGoal, note: str, user: Actor = None, now: dt.datetime | None = None) -> GoalReview:
    """Keep that somebody looked at a goal and what follows, with the figures of the moment.

    Raises InvalidValueError without a note or with one too long.
    """
    most: int = GoalReview._meta.get_field("note").max_length  # type: ignore[assignment]
    note = " ".join(note.split())
    if not note or len(note) > most or "\x00" in note:
        raise InvalidValueError(
            _("A review needs a note of 1 to %(most)s characters; this one has %(length)s."),
            code="bad_note",
            field="note",
            value=note,
            remedy=_("Say what you saw and what follows."),
            params={"most": most, "length": len(note)},
        )
    [report] = goal_reports([goal], now or timezone.now())
    shown = report.as_dict()
    figures = {name: shown[name] for name in ("as_of", "status", "value", "expected", "forecast")}
    return GoalReview.objects.create(goal=goal, note=note, figures=figures, reviewed_by=author(user))


def settle_baselines(now: dt.datetime) -> list[SegmentGoal]:
    """Take the baselines of goals that have started since theirs was taken once more. Returns the goals.

    One that history gives no baseline for keeps the one it has.
    """
    settled = []
    begun = SegmentGoal.objects.filter(
        baseline_source=SegmentGoal.Source.RECORDED, first_day__lte=timezone.localtime(now).date()
    )
    for goal in begun.select_related("segment"):
        if is_provisional(goal):
            try:
                _take(goal, recorded_baseline(goal, now))
            except ProblemError:
                continue
            goal.save(update_fields=["baseline", "baseline_first_day", "baseline_last_day"])
            settled.append(goal)
    return settled
