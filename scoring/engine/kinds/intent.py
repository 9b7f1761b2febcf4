"""Intent: signals within a window, and surges above an account's own baseline."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from scoring.engine.intent import INTENT, LIMITS, IntentTable, limit_words, topics_read
from scoring.engine.kernels import window_sum
from scoring.engine.restrictions import window_words
from scoring.engine.surge import Surge, surge_steps
from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.facts import Facts
from segmentation.engine.params import DAY, Number, Param, window_days
from segmentation.engine.steps import Int32s, Int64s, Steps
from segmentation.engine.text import _, gettext_noop, ngettext

_ALL: Int32s = np.ones(1, dtype=np.int32)


def signals(number: int) -> str:
    """So many signals, in words."""
    return ngettext("%(n)s intent signal", "%(n)s intent signals", number) % {"n": number}


class _OnSignals(Criterion):
    """What both kinds share."""

    is_scope = True
    is_gradual = True
    tables = frozenset({INTENT})

    def depends_on(self) -> Iterable[str]:
        return topics_read(self.values)

    def _within(self, facts: Facts, entity: int, first: int | None, last: int) -> tuple[int, tuple[int, ...]]:
        """How many signals an entity has after `first` until `last`, and in which rows."""
        table: IntentTable = facts.table(INTENT)
        low, high = int(table.rows.begin[entity]), int(table.rows.end[entity])
        time: Int64s = table.time[low:high]
        begin = low + int(np.searchsorted(time, first, side="right")) if first is not None else low
        end = low + int(np.searchsorted(time, last, side="right"))
        amount = table.counted(self.values, slice(begin, end))
        return int(amount.sum()), tuple(int(row) for row in begin + np.flatnonzero(amount))


@register
class IntentSignals(_OnSignals):
    """At least so many intent signals within the window."""

    kind = "intent"
    label = gettext_noop("Intent signals")
    help = gettext_noop(
        "Counts signs that the account looks into a topic: reported by other sources, or made of activities whose texts"
        " hold a keyword of the topic."
    )
    params: ClassVar[tuple[Param, ...]] = (
        Number(name="times", label=gettext_noop("at least"), minimum=1, maximum=1_000_000, default=1),
        window_days(),
        *LIMITS,
    )

    def steps(self, facts: Facts) -> Steps:
        table: IntentTable = facts.table(INTENT)
        offsets, time, value = window_sum(
            table.rows.begin,
            table.rows.end,
            table.time,
            (table.counted(self.values) * 100).astype(np.int32),  # the kernel's weights are per cent
            np.zeros(len(table.time), dtype=np.int32),
            _ALL,
            False,
            (self.values["window_days"] or 0) * DAY,
            self.values["times"] - 1,
        )
        return Steps(np.zeros(len(facts), dtype=np.int8), offsets, time, value)

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        days = self.values["window_days"]
        held, rows = self._within(facts, entity, instant - days * DAY if days else None, instant)
        needed = self.values["times"]
        found = signals(held) + window_words(days)
        if held >= needed:
            return Measure(found=found, value=held, needed=needed, rows=rows)
        missing = _("%(signals)s more") % {"signals": signals(needed - held)}
        return Measure(found, missing, held, needed, gap=(needed - held) / needed, rows=rows)

    def sentence(self) -> str:
        return _("at least %(signals)s%(window)s%(limits)s") % {
            "signals": signals(self.values["times"]),
            "window": window_words(self.values["window_days"]),
            "limits": limit_words(self.values),
        }


@register
class IntentSurge(_OnSignals):
    """More intent signals than the account's own earlier ones explain; see `scoring.engine.surge`."""

    kind = "intent_surge"
    label = gettext_noop("Intent surge")
    help = gettext_noop(
        "Compares the signals of the last days with those of the account itself before that: enough of them, much more"
        " often, and hardly by chance."
    )
    params: ClassVar[tuple[Param, ...]] = (
        Number(
            name="recent_days",
            label=gettext_noop("within the last days"),
            minimum=1,
            maximum=365,
            default=7,
        ),
        Number(
            name="baseline_days",
            label=gettext_noop("against the days before that"),
            minimum=1,
            maximum=3650,
            default=56,
            help=gettext_noop("The account's own baseline. Whole weeks even out week-ends."),
        ),
        Number(name="least", label=gettext_noop("at least so many signals"), minimum=2, maximum=100_000, default=3),
        Number(
            name="ratio",
            label=gettext_noop("times the rate before"),
            whole=False,
            minimum=1,
            maximum=1000,
            default=2.0,
        ),
        Number(
            name="chance_percent",
            label=gettext_noop("by chance at most %"),
            whole=False,
            minimum=0.001,
            maximum=20,
            default=1.0,
            help=gettext_noop("How often a steady rate may look like a surge. Smaller is stricter."),
        ),
        *LIMITS,
    )

    def surge(self) -> Surge:
        """The figures as exact numbers."""
        return Surge(
            recent=self.values["recent_days"],
            baseline=self.values["baseline_days"],
            least=self.values["least"],
            ratio=Fraction(str(self.values["ratio"])).limit_denominator(1000),
            chance=Fraction(str(self.values["chance_percent"])) / 100,
        )

    def steps(self, facts: Facts) -> Steps:
        table: IntentTable = facts.table(INTENT)
        return surge_steps(self.surge(), table.rows.begin, table.rows.end, table.time, table.counted(self.values))

    def figures(self, facts: Facts, entity: int, instant: int) -> tuple[int, int, tuple[int, ...]]:
        """Signals in the recent window, those of the baseline, and the rows of the former."""
        between = instant - self.values["recent_days"] * DAY
        recent, rows = self._within(facts, entity, between, instant)
        earlier, _rows = self._within(facts, entity, between - self.values["baseline_days"] * DAY, between)
        return recent, earlier, rows

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        surge = self.surge()
        recent, earlier, rows = self.figures(facts, entity, instant)
        needed = surge.needed(recent, earlier)
        found = self.figures_in_words(recent, earlier)
        if needed == recent:
            return Measure(found=found, value=recent, needed=needed, rows=rows)
        missing = _("%(signals)s more") % {"signals": signals(needed - recent)}
        return Measure(found, missing, recent, needed, gap=(needed - recent) / needed, rows=rows)

    def figures_in_words(self, recent: int, earlier: int) -> str:
        """Both counts, the number expected, how many times that is, and how likely by chance."""
        surge = self.surge()
        words: dict[str, Any] = {
            "signals": signals(recent),
            "days": surge.recent,
            "earlier": earlier,
            "before": surge.baseline,
        }
        if not recent:
            return _("%(signals)s within %(days)s days, %(earlier)s in the %(before)s days before") % words
        chance = 100 * surge.probability(recent, earlier)
        words["chance"] = f"{chance:.2g}" if chance >= 0.001 else "< 0.001"
        if not earlier:
            return (
                _(
                    "%(signals)s within %(days)s days, none in the %(before)s days before; by chance in %(chance)s %%"
                    " of cases"
                )
                % words
            )
        words["expected"] = f"{surge.expected(earlier):.1f}"
        words["ratio"] = f"{recent / surge.expected(earlier):.1f}"
        return (
            _(
                "%(signals)s within %(days)s days where %(expected)s were to be expected (%(earlier)s in the %(before)s"
                " days before): %(ratio)s times, by chance in %(chance)s %% of cases"
            )
            % words
        )

    def sentence(self) -> str:
        return _(
            "a surge of intent within %(days)s days against the %(before)s days before (at least %(least)s, %(ratio)s"
            " times the rate, by chance at most %(chance)s %%)%(limits)s"
        ) % {
            "days": self.values["recent_days"],
            "before": self.values["baseline_days"],
            "least": signals(self.values["least"]),
            "ratio": f"{self.values['ratio']:g}",
            "chance": f"{self.values['chance_percent']:g}",
            "limits": limit_words(self.values),
        }
