"""Open, won, lost and stalled opportunities."""

from typing import Any, ClassVar

import numpy as np

from journey.engine import deals
from journey.engine.deals import DEALS, DealTable, lost_deals, open_deals, stalled_deals, state_at, won_deals
from journey.engine.lists import GROUP_LABELS, known
from scoring.engine.activities import ACTIVITIES, ActivityTable, Restriction
from scoring.engine.restrictions import window_words
from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.errors import RuleError
from segmentation.engine.facts import Facts, Rows
from segmentation.engine.params import DAY, MAX_DAYS, Number, Param, Several
from segmentation.engine.steps import YES, Steps
from segmentation.engine.text import _, gettext_noop, ngettext

OPEN = (deals.IDENTIFIED, deals.ACTIVE, deals.INTENT)

within_days = Number(
    name="within_days",
    label=gettext_noop("within days"),
    help=gettext_noop("Counts it for so many days afterwards. Empty: ever after."),
    minimum=1,
    maximum=MAX_DAYS,
)


def initial_no(n: int) -> Any:
    return np.zeros(n, dtype=np.int8)


def movements(facts: Facts) -> tuple[ActivityTable, Any, Any]:
    """The activities, and which of them move deals (sales side or hot) and which are hot: bool per activity."""
    table: ActivityTable = facts.table(ACTIVITIES)
    hot = table.classes.mask(Restriction(hot_only=True))
    return table, (table.classes.mask(Restriction(sides=("sales",))) | hot)[table.number], hot[table.number]


@register
class OpportunityOpen(Criterion):
    """An open opportunity, optionally in given groups or CRM stages.

    With groups the most advanced open opportunity counts; with CRM stages any. In a CRM stage without mapping an
    opportunity gives no verdict.
    """

    kind = "opportunity_open"
    label = gettext_noop("Open opportunity")
    help = gettext_noop(
        "Of several open opportunities the most advanced one counts for the groups; with CRM stages any of them."
    )
    tables = frozenset({DEALS})
    params: ClassVar[tuple[Param, ...]] = (
        Several(name="groups", label=gettext_noop("in the groups"), choices=GROUP_LABELS),
        Several(name="crm_stages", label=gettext_noop("in the CRM stages"), choices=lambda: known("crm_stages")),
    )

    def check(self) -> None:
        if self.values["groups"] and self.values["crm_stages"]:
            raise RuleError(
                "too_many_parameters",
                "crm_stages",
                self.values["crm_stages"],
                _("Groups and CRM stages are both given."),
                _("Use one of them; make two criteria for both."),
            )

    def _wanted(self, table: DealTable) -> tuple[Any, Any]:
        groups = np.zeros(7, dtype=np.bool_)
        groups[[deals.STATES[group] for group in self.values["groups"]]] = True
        stages = np.array([name in self.values["crm_stages"] for name in table.stage_names] or [False], dtype=np.bool_)
        return groups, stages

    def steps(self, facts: Facts) -> Steps:
        table: DealTable = facts.table(DEALS)
        if self.values["crm_stages"] and not set(self.values["crm_stages"]) & set(table.stage_names):
            return Steps(
                initial_no(len(facts)),
                np.zeros(len(facts) + 1, dtype=np.int64),
                np.empty(0, np.int64),
                np.empty(0, np.int8),
            )
        groups, stages = self._wanted(table)
        offsets, time, value = open_deals(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.deal,
            table.state,
            table.stage,
            table.most_deals,
            groups,
            stages,
        )
        return Steps(initial_no(len(facts)), offsets, time, value)

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        table: DealTable = facts.table(DEALS)
        now = state_at(table, entity, instant)
        is_open = [d for d in now.values() if d["state"] in OPEN]
        unmapped = [d for d in now.values() if d["state"] == deals.UNMAPPED]
        holds = self.steps(facts).at(entity, instant) == YES
        if is_open:
            best = max(d["state"] for d in is_open)
            found = ngettext(
                "%(n)s open opportunity, the most advanced is %(group)s",
                "%(n)s open opportunities, the most advanced is %(group)s",
                len(is_open),
            ) % {
                "n": len(is_open),
                "group": _(GROUP_LABELS[deals.GROUPS[best - 1]]),
            }
        elif unmapped:
            names = sorted({table.stage_names[d["stage"]] for d in unmapped if d["stage"] >= 0})
            found = _("only opportunities in CRM stages without mapping: %(names)s") % {"names": ", ".join(names)}
        else:
            found = _("no open opportunity")
        return Measure(
            found, "" if holds else self.sentence(), gap=0.0 if holds else 1.0, rows=tuple(d["row"] for d in is_open)
        )

    def sentence(self) -> str:
        if self.values["groups"]:
            return _("an open opportunity in the group %(groups)s") % {
                "groups": ", ".join(_(GROUP_LABELS[g]) for g in self.values["groups"])
            }
        if self.values["crm_stages"]:
            return _("an open opportunity in the CRM stage %(stages)s") % {
                "stages": ", ".join(self.values["crm_stages"])
            }
        return _("an open opportunity")


@register
class OpportunityWon(Criterion):
    """A won opportunity, optionally won within so many days. A win that was taken back no longer counts."""

    kind = "opportunity_won"
    label = gettext_noop("Won opportunity")
    tables = frozenset({DEALS})
    params: ClassVar[tuple[Param, ...]] = (within_days,)

    def steps(self, facts: Facts) -> Steps:
        table: DealTable = facts.table(DEALS)
        window = (self.values["within_days"] or 0) * DAY
        return Steps(
            initial_no(len(facts)),
            *won_deals(table.rows.begin, table.rows.end, table.time, table.deal, table.state, table.most_deals, window),
        )

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        won = [d for d in state_at(facts.table(DEALS), entity, instant).values() if d["state"] == deals.WON]
        holds = self.steps(facts).at(entity, instant) == YES
        found = ngettext("%(n)s won opportunity", "%(n)s won opportunities", len(won)) % {"n": len(won)}
        return Measure(
            found, "" if holds else self.sentence(), gap=0.0 if holds else 1.0, rows=tuple(d["row"] for d in won)
        )

    def sentence(self) -> str:
        days = self.values["within_days"]
        return _("a won opportunity") + (window_words(days) if days else "")


@register
class OpportunityLost(Criterion):
    """No opportunity is open and the one closed last was lost, optionally within so many days."""

    kind = "opportunity_lost"
    label = gettext_noop("Lost opportunity, none open")
    help = gettext_noop("Holds when nothing is open and the opportunity closed last was lost.")
    tables = frozenset({DEALS})
    params: ClassVar[tuple[Param, ...]] = (within_days,)

    def steps(self, facts: Facts) -> Steps:
        table: DealTable = facts.table(DEALS)
        window = (self.values["within_days"] or 0) * DAY
        return Steps(
            initial_no(len(facts)),
            *lost_deals(
                table.rows.begin, table.rows.end, table.time, table.deal, table.state, table.most_deals, window
            ),
        )

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        now = state_at(facts.table(DEALS), entity, instant).values()
        lost = [d for d in now if d["state"] == deals.LOST]
        is_open = sum(d["state"] in OPEN for d in now)
        holds = self.steps(facts).at(entity, instant) == YES
        found = _("%(lost)s lost and %(open)s open opportunities") % {"lost": len(lost), "open": is_open}
        return Measure(
            found, "" if holds else self.sentence(), gap=0.0 if holds else 1.0, rows=tuple(d["row"] for d in lost)
        )

    def sentence(self) -> str:
        days = self.values["within_days"]
        return _("the last opportunity was lost%(window)s and none is open") % {
            "window": window_words(days) if days else ""
        }


@register
class OpportunityStalled(Criterion):
    """There are open opportunities and every one is stalled.

    Stalled: for N days neither the opportunity changed nor did a sales or hot activity happen.
    """

    kind = "opportunity_stalled"
    label = gettext_noop("Every open opportunity stalled")
    help = gettext_noop(
        "Stalled: no change of the opportunity, no sales activity and no hot activity for so many days."
        " A page view is no movement."
    )
    tables = frozenset({DEALS, ACTIVITIES})
    is_gradual = True
    params: ClassVar[tuple[Param, ...]] = (
        Number(name="days", label=gettext_noop("for days"), minimum=1, maximum=MAX_DAYS, default=30),
    )

    def steps(self, facts: Facts) -> Steps:
        return stall_steps(facts, self.values["days"])

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        table: DealTable = facts.table(DEALS)
        is_open = [d for d in state_at(table, entity, instant).values() if d["state"] in OPEN]
        if not is_open:
            return Measure(_("no open opportunity"), self.sentence(), gap=1.0)
        activities, moving, _hot = movements(facts)
        low, high = int(activities.rows.begin[entity]), int(activities.rows.end[entity])
        moved = activities.time[low:high][moving[low:high] & (activities.time[low:high] <= instant)]
        last = max(max(d["changed"] for d in is_open), int(moved[-1]) if len(moved) else 0)
        idle, needed = (instant - last) / DAY, self.values["days"]
        found = _("last movement %(days)s days ago") % {"days": int(idle)}
        if idle >= needed:
            return Measure(found, value=idle, needed=needed, rows=tuple(d["row"] for d in is_open))
        missing = _("%(days)s more days without movement") % {"days": int(np.ceil(needed - idle))}
        return Measure(found, missing, idle, needed, gap=(needed - idle) / needed)

    def sentence(self) -> str:
        return _("every open opportunity without movement for %(days)s days") % {"days": self.values["days"]}


def stall_steps(facts: Facts, days: int) -> Steps:
    """When every open opportunity is stalled for `days` days."""
    table: DealTable = facts.table(DEALS)
    activities, moving, _hot = movements(facts)
    rows: Rows = activities.rows
    return Steps(
        initial_no(len(facts)),
        *stalled_deals(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.deal,
            table.state,
            table.most_deals,
            rows.begin,
            rows.end,
            activities.time,
            moving,
            days * DAY,
        ),
    )
