"""Membership of a segment."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import SEGMENTS, MembershipTable, segment_name
from segmentation.engine.params import Choice, Param
from segmentation.engine.steps import UNKNOWN, YES, Int32s, Int64s, Steps
from segmentation.engine.text import _, gettext_noop

_segment_choices: Callable[[], dict[str, str]] = dict


def use_segments(choices: Callable[[], dict[str, str]]) -> None:
    """Tell which segments exist (key: name)."""
    global _segment_choices
    _segment_choices = choices


@register
class InSegment(Criterion):
    """Holds while the account is a member of the segment; negated, while it is known not to be one."""

    kind = "segment"
    label = gettext_noop("In a segment")
    help = gettext_noop(
        "Whether the account was a member at that moment. With “not” two segments are subtracted: in this one and not"
        " in that one."
    )
    is_scope = True
    tables = frozenset({SEGMENTS})
    params: ClassVar[tuple[Param, ...]] = (
        Choice(name="segment", label=gettext_noop("segment"), choices=lambda: _segment_choices(), required=True),
    )

    def depends_on(self) -> Iterable[str]:
        return (segment_name(self.values["segment"]),)

    def steps(self, facts: Facts) -> Steps:
        table: MembershipTable = facts.table(SEGMENTS)
        return table.steps(self.values["segment"])

    def assumed(self, facts: Facts, entities: Int32s, instants: Int64s) -> NDArray[np.bool_]:
        """In it by a membership that began by an assumption."""
        table: MembershipTable = facts.table(SEGMENTS)
        return table.assumed_at(self.values["segment"], entities.astype(np.int64), instants)

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        value = self.steps(facts).at(entity, instant)
        name = {"segment": self._name()}
        if value == YES:
            return Measure(found=_("in the segment “%(segment)s”") % name)
        found = _("whether it is in the segment “%(segment)s” is not known") if value == UNKNOWN else None
        return Measure(
            found=(found or _("not in the segment “%(segment)s”")) % name,
            missing=_("what the segment “%(segment)s” asks for") % name,
            gap=1.0,
        )

    def _name(self) -> Any:
        return _(_segment_choices().get(self.values["segment"], self.values["segment"]))

    def sentence(self) -> str:
        return _("in the segment “%(segment)s”") % {"segment": self._name()}
