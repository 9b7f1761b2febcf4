"""What a kind of goal says, and the kinds there are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from journey.selectors.goal_facts import GoalFacts, Happened
from segmentation.errors import InvalidValueError, closest
from segmentation.models import SegmentGoal

MONEY, ACCOUNTS, MINUTES, VISITS = "money", "accounts", "minutes", "visits"


class GoalKind(ABC):
    """A measure of what is done with a segment: things that happened to its members, each with an amount.

    Attributes:
        key, label, help: what it is called and what it counts.
        unit: of its amounts: money, accounts, minutes or visits.
        source: the facts it rests on (activities, deals, accounts); how far they reach back decides about baselines.
        is_level: the target says by how many per cent the baseline is to rise; otherwise it is an amount or a number,
            counted from nothing at the start.
        takes_product: whether opportunities may be narrowed to a product.
        order: among the kinds.
    """

    key: ClassVar[str]
    label: ClassVar[Any]
    help: ClassVar[Any]
    unit: ClassVar[str]
    source: ClassVar[str]
    is_level: ClassVar[bool] = False
    takes_product: ClassVar[bool] = False
    order: ClassVar[int] = 0

    @abstractmethod
    def happened(self, facts: GoalFacts, goal: SegmentGoal) -> Happened:
        """All that counts, of any account; who is a member decides `journey.selectors.goals`."""

    def missing(self, facts: GoalFacts, goal: SegmentGoal, start: int, end: int) -> Mapping[str, Mapping[str, Any]]:
        """What is left out of a sum over `[start, end)` for want of an exchange rate, by currency."""
        return {}


_KINDS: dict[str, GoalKind] = {}


def register(kind: type[GoalKind]) -> type[GoalKind]:
    """Make a kind known."""
    _KINDS[kind.key] = kind()
    return kind


def goal_kinds() -> dict[str, GoalKind]:
    """Every kind by key, in order."""
    return dict(sorted(_KINDS.items(), key=lambda item: (item[1].order, item[0])))


def find_kind(key: str) -> GoalKind:
    """A kind by its key. Raises InvalidValueError with the nearest one."""
    if key in _KINDS:
        return _KINDS[key]
    close = closest(str(key), _KINDS)
    raise InvalidValueError(
        _("There is no kind of goal “%(value)s”."),
        code="unknown_kind",
        field="kind",
        value=key,
        remedy=_("Did you mean “%(close)s”? There are: %(known)s.") if close else _("There are: %(known)s."),
        params={"close": close, "known": ", ".join(goal_kinds())},
    )
