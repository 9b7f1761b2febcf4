"""Recycling: accounts that came close to a deal and did not buy are held back from marketing for a while."""

from typing import ClassVar

import numpy as np

from journey.engine import deals
from journey.engine.deals import DEALS, DealTable, recycle_holds
from journey.engine.kinds.opportunities import initial_no, movements, stall_steps
from journey.engine.lists import GROUP_LABELS
from scoring.engine.activities import ACTIVITIES
from scoring.engine.kinds.engaged_minutes import EngagedMinutes
from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.errors import RuleError
from segmentation.engine.facts import Facts
from segmentation.engine.params import DAY, MAX_DAYS, Number, Param, Several
from segmentation.engine.steps import YES, Steps
from segmentation.engine.text import _, gettext_noop


@register
class Recycle(Criterion):
    """Holds for `hold_days` after a loss from one of `lost_from` with nothing open, or when every open deal stalls.

    Ended at once by a hot activity, a new, reopened or advancing opportunity, or a win; optionally when engagement
    falls below `cooled_minutes` within `cooled_days` during the hold. A new loss or stall begins a new hold.
    """

    kind = "recycle"
    label = gettext_noop("Recycling hold")
    help = gettext_noop(
        "Keeps accounts that came close to a deal away from marketing stages for a while;"
        " hot activities and new deals end it."
    )
    tables = frozenset({DEALS, ACTIVITIES})
    params: ClassVar[tuple[Param, ...]] = (
        Several(
            name="lost_from",
            label=gettext_noop("lost from the groups"),
            choices=GROUP_LABELS,
            default=("intent",),
            help=gettext_noop("Only a loss from one of these groups was close to a deal."),
        ),
        Number(
            name="stalled_days",
            label=gettext_noop("or every open opportunity stalled for days"),
            minimum=1,
            maximum=MAX_DAYS,
            default=30,
            clearable=True,
            help=gettext_noop("Empty: stalled opportunities do not recycle an account."),
        ),
        Number(name="hold_days", label=gettext_noop("hold for days"), minimum=1, maximum=MAX_DAYS, default=90),
        Number(
            name="cooled_minutes",
            label=gettext_noop("end when engagement falls below minutes"),
            minimum=0.01,
            maximum=1e7,
            whole=False,
            help=gettext_noop("Empty: cooling down does not end the hold."),
        ),
        Number(name="cooled_days", label=gettext_noop("within days"), minimum=1, maximum=MAX_DAYS, default=30),
    )

    def check(self) -> None:
        if not self.values["lost_from"] and self.values["stalled_days"] is None:
            raise RuleError(
                "empty_rule",
                "lost_from",
                [],
                _("Nothing would ever be recycled."),
                _("Choose a group to be lost from, or days after which opportunities are stalled."),
            )

    def steps(self, facts: Facts) -> Steps:
        table: DealTable = facts.table(DEALS)
        n = len(facts)
        none = Steps(initial_no(n), np.zeros(n + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.int8))
        stall = stall_steps(facts, self.values["stalled_days"]) if self.values["stalled_days"] else none
        warm = none
        if self.values["cooled_minutes"]:
            warm = EngagedMinutes(
                minutes=self.values["cooled_minutes"], comparator=">=", window_days=self.values["cooled_days"]
            ).steps(facts)
        groups = np.zeros(7, dtype=np.bool_)
        groups[[deals.STATES[group] for group in self.values["lost_from"]]] = True
        activities, _moving, hot = movements(facts)
        offsets, time, value = recycle_holds(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.deal,
            table.state,
            table.most_deals,
            stall.offsets,
            stall.time,
            stall.value,
            self.values["stalled_days"] is not None,
            activities.rows.begin,
            activities.rows.end,
            activities.time,
            hot,
            warm.offsets,
            warm.time,
            warm.value,
            self.values["cooled_minutes"] is not None,
            groups,
            self.values["hold_days"] * DAY,
        )
        return Steps(initial_no(n), offsets, time, value)

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        _initial, time, value = self.steps(facts).of(entity)
        k = int(np.searchsorted(time, instant, side="right")) - 1
        if k >= 0 and value[k] == YES:
            ago = (instant - int(time[k])) // DAY
            if k + 1 < len(time):
                left = -(-(int(time[k + 1]) - instant) // DAY)
                return Measure(_("held for %(days)s days, %(left)s more at most") % {"days": ago, "left": left})
            return Measure(_("held for %(days)s days") % {"days": ago})
        return Measure(_("not held"), self.sentence(), gap=1.0)

    def sentence(self) -> str:
        causes = []
        if self.values["lost_from"]:
            groups = ", ".join(_(GROUP_LABELS[group]) for group in self.values["lost_from"])
            causes.append(_("an opportunity was lost from the group %(groups)s") % {"groups": groups})
        if self.values["stalled_days"]:
            causes.append(_("every open opportunity stalled for %(days)s days") % {"days": self.values["stalled_days"]})
        return _("%(cause)s, held for %(days)s days unless a hot activity, a new opportunity or a win comes first") % {
            "cause": _(" or ").join(causes),
            "days": self.values["hold_days"],
        }
