"""A flag set on the account by a person: disqualified and the user's own."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.facts import Facts, Periods
from segmentation.engine.params import Choice, Param
from segmentation.engine.periods import period_steps
from segmentation.engine.steps import Steps
from segmentation.engine.text import _, gettext_noop

FLAGS = "flags"

_flag_choices: Callable[[], dict[str, str]] = dict


def use_flags(choices: Callable[[], dict[str, str]]) -> None:
    """Tell which flags exist (key: name)."""
    global _flag_choices
    _flag_choices = choices


@register
class Flag(Criterion):
    """Holds while the flag is in force on the account."""

    kind = "flag"
    label = gettext_noop("Flag on the account")
    help = gettext_noop(
        "A mark set by a person with a reason, such as “disqualified”; holds from the day it is set until it is ended."
    )
    tables = frozenset({FLAGS})
    params: ClassVar[tuple[Param, ...]] = (
        Choice(name="flag", label=gettext_noop("flag"), choices=lambda: _flag_choices(), required=True),
    )

    def _number(self, facts: Facts) -> tuple[Periods, int]:
        periods, keys = facts.table(FLAGS)
        return periods, keys.index(self.values["flag"]) if self.values["flag"] in keys else -1

    def steps(self, facts: Facts) -> Steps:
        return period_steps(*self._number(facts))

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        periods, number = self._number(facts)
        rows = slice(periods.rows.begin[entity], periods.rows.end[entity])
        held = (periods.kind[rows] == number) & (periods.start[rows] <= instant) & (instant < periods.end[rows])
        name = self._name()
        if np.any(held):
            return Measure(found=_("flag “%(flag)s” is set") % {"flag": name})
        return Measure(
            found=_("flag “%(flag)s” is not set") % {"flag": name},
            missing=_("set the flag “%(flag)s”") % {"flag": name},
            gap=1.0,
        )

    def _name(self) -> Any:
        return _(_flag_choices().get(self.values["flag"], self.values["flag"]))

    def sentence(self) -> str:
        return _("flag “%(flag)s” is set") % {"flag": self._name()}
