"""The stage in another journey."""

from collections.abc import Iterable
from typing import Any, ClassVar

from journey.engine.lists import known
from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.errors import RuleError, shown, suggestion
from segmentation.engine.facts import Facts, Periods
from segmentation.engine.params import Choice, Param, Value
from segmentation.engine.periods import period_steps
from segmentation.engine.steps import YES, Steps
from segmentation.engine.text import _, gettext_noop

STAGES = "stages"


@register
class InStage(Criterion):
    """The account is in one of the given stages of another journey, as its published version has it."""

    kind = "stage"
    label = gettext_noop("Stage in another journey")
    help = gettext_noop("Reads the history of the published version of that journey.")
    tables = frozenset({STAGES})
    params: ClassVar[tuple[Param, ...]] = (
        Choice(name="journey", label=gettext_noop("journey"), choices=lambda: known("journeys"), required=True),
        Value(
            name="stage",
            label=gettext_noop("stage"),
            help=gettext_noop("The key of the stage."),
            required=True,
            input="stage",
        ),
    )

    def check(self) -> None:
        stages = {
            key.partition("/")[2] for key in known("journey_stages") if key.partition("/")[0] == self.values["journey"]
        }
        if self.values["stage"] not in stages:
            raise RuleError(
                "unknown_choice",
                "stage",
                self.values["stage"],
                _("“%(journey)s” has no stage %(stage)s.")
                % {"journey": self.values["journey"], "stage": shown(self.values["stage"])},
                suggestion(self.values["stage"], stages),
            )

    def depends_on(self) -> Iterable[str]:
        return (f"journey:{self.values['journey']}",)

    @property
    def stage_key(self) -> str:
        return f"{self.values['journey']}/{self.values['stage']}"

    def _periods(self, facts: Facts) -> tuple[Periods, int]:
        periods, keys = facts.table(STAGES)
        return periods, keys.index(self.stage_key) if self.stage_key in keys else -1

    def steps(self, facts: Facts) -> Steps:
        return period_steps(*self._periods(facts))

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        holds = self.steps(facts).at(entity, instant) == YES
        return Measure(
            self.sentence() if holds else _("not: %(criterion)s") % {"criterion": self.sentence()},
            "" if holds else self.sentence(),
            gap=0.0 if holds else 1.0,
        )

    def sentence(self) -> str:
        names: Any = known("journey_stages")
        return _("in the stage “%(stage)s” of the journey “%(journey)s”") % {
            "stage": _(str(names.get(self.stage_key, self.values["stage"]))),
            "journey": known("journeys").get(self.values["journey"], self.values["journey"]),
        }
