"""Membership of a target account list."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.facts import Facts, Periods
from segmentation.engine.params import Choice, Param, Several
from segmentation.engine.periods import period_steps
from segmentation.engine.steps import Int32s, Steps
from segmentation.engine.text import _, gettext_noop

TARGET_LISTS = "target_lists"

STATES = {
    "proposed": gettext_noop("proposed"),
    "active": gettext_noop("active"),
    "recycling": gettext_noop("recycling"),
    "rejected": gettext_noop("rejected"),
    "disqualified": gettext_noop("disqualified"),
    "removed": gettext_noop("removed"),
}

_list_choices: Callable[[], dict[str, str]] = dict


def use_target_lists(choices: Callable[[], dict[str, str]]) -> None:
    """Tell which target account lists exist (key: name)."""
    global _list_choices
    _list_choices = choices


@register
class OnList(Criterion):
    """Holds while the account is on the list in one of the states.

    The facts are periods whose kinds number pairs of list and state.
    """

    kind = "list"
    label = gettext_noop("On a target account list")
    help = gettext_noop(
        "Holds while the account is on the list, active or paused (recycling) unless other states are chosen."
    )
    tables = frozenset({TARGET_LISTS})
    is_scope = True
    params: ClassVar[tuple[Param, ...]] = (
        Choice(name="list", label=gettext_noop("list"), choices=lambda: _list_choices(), required=True),
        Several(
            name="states",
            label=gettext_noop("states"),
            help=gettext_noop("Active and recycling are what makes a target account."),
            choices=STATES,
            default=("active", "recycling"),
            required=True,
        ),
    )

    def _wanted(self, facts: Facts) -> tuple[Periods, Int32s]:
        """The periods, and for each of them 0 where it is one of those asked for, else -1."""
        periods, keys = facts.table(TARGET_LISTS)
        fits = [key == self.values["list"] and state in self.values["states"] for key, state in keys]
        number = np.where(np.array([*fits, False], dtype=bool), 0, -1).astype(np.int32)
        return periods, number[periods.kind]

    def steps(self, facts: Facts) -> Steps:
        periods, kind = self._wanted(facts)
        return period_steps(replace(periods, kind=kind), 0)

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        periods, kind = self._wanted(facts)
        rows = slice(periods.rows.begin[entity], periods.rows.end[entity])
        held = (kind[rows] == 0) & (periods.start[rows] <= instant) & (instant < periods.end[rows])
        name = self._name()
        if np.any(held):
            return Measure(found=_("on the list “%(list)s”") % {"list": name})
        return Measure(
            found=_("not on the list “%(list)s”") % {"list": name},
            missing=_("put it on the list “%(list)s”") % {"list": name},
            gap=1.0,
        )

    def _name(self) -> Any:
        return _(_list_choices().get(self.values["list"], self.values["list"]))

    def sentence(self) -> str:
        if set(self.values["states"]) == {"active", "recycling"}:
            return _("on the list “%(list)s”") % {"list": self._name()}
        states = ", ".join(_(STATES[state]) for state in self.values["states"])
        return _("on the list “%(list)s” as %(states)s") % {"list": self._name(), "states": states}
