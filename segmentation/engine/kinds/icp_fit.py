"""The fit to an ideal customer profile, as it was assessed."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.errors import RuleError
from segmentation.engine.facts import DatedField, Facts
from segmentation.engine.kinds.field import field_steps, value_code_at
from segmentation.engine.params import Choice, Number, Param, Several
from segmentation.engine.steps import NO, UNKNOWN, YES, Int64s, Steps
from segmentation.engine.text import _, gettext_noop

ASSESSMENTS = "assessments"
GRADES = {"A": "A", "B": "B", "C": "C", "D": "D"}

_profile_choices: Callable[[], dict[str, str]] = dict


def use_profiles(choices: Callable[[], dict[str, str]]) -> None:
    """Tell which ideal customer profiles exist (key: name)."""
    global _profile_choices
    _profile_choices = choices


@register
class IcpFit(Criterion):
    """Compares the assessed fit of the account: its grade, its score, or both.

    The facts are dated values of the profile, (score, grade); without grade, or before anything was known, unknown.
    """

    kind = "icp_fit"
    label = gettext_noop("Fit to the ideal customer profile")
    help = gettext_noop(
        "Reads the assessment in force at that moment. Before the first one, the first stands in. Without grade it is"
        " unknown."
    )
    is_scope = True
    tables = frozenset({ASSESSMENTS})
    params: ClassVar[tuple[Param, ...]] = (
        Choice(name="profile", label=gettext_noop("profile"), choices=lambda: _profile_choices(), required=True),
        Several(name="grades", label=gettext_noop("grade"), choices=GRADES),
        Number(
            name="score",
            label=gettext_noop("score of at least"),
            minimum=0,
            maximum=100,
            whole=False,
            clearable=True,
            help=gettext_noop("From 0 to 100. Empty: the grade alone decides."),
        ),
    )

    def check(self) -> None:
        if not self.values["grades"] and self.values["score"] is None:
            raise RuleError(
                "missing_parameter",
                "grades",
                (),
                _("There is nothing to compare the fit with."),
                _("Choose grades or enter a score."),
            )

    def depends_on(self) -> Iterable[str]:
        return (f"profile:{self.values['profile']}",)

    def _answer(self, value: tuple[float | None, str] | None) -> int:
        score, grade = value or (None, "")
        grades, least = self.values["grades"], self.values["score"]
        answers = []
        if grades:
            answers.append(UNKNOWN if not grade else YES if grade in grades else NO)
        if least is not None:
            answers.append(UNKNOWN if score is None else YES if score >= least else NO)
        return NO if NO in answers else UNKNOWN if UNKNOWN in answers else YES

    def _dated(self, facts: Facts) -> DatedField:
        dated: DatedField = facts.table(ASSESSMENTS)[self.values["profile"]]
        return dated

    def known_from(self, facts: Facts) -> Int64s:
        return self._dated(facts).known_from

    def steps(self, facts: Facts) -> Steps:
        dated = self._dated(facts)
        answers = np.array([*(self._answer(value) for value in dated.values), self._answer(None)], dtype=np.int8)
        return field_steps(dated, answers)

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        dated = self._dated(facts)
        code = value_code_at(dated, entity, instant)
        score, grade = dated.values[code] if code >= 0 else (None, "")
        if score is None:
            found = _("the fit is not known")
        elif grade:
            found = _("fit %(score)s, grade %(grade)s") % {"score": f"{score:g}", "grade": grade}
        else:
            found = _("fit %(score)s, no grade") % {"score": f"{score:g}"}
        holds = self._answer(dated.values[code] if code >= 0 else None) == YES
        return Measure(
            found=found,
            missing="" if holds else self.sentence(),
            value=score,
            needed=self.values["score"],
            gap=0.0 if holds else 1.0,
        )

    def sentence(self) -> str:
        profile: Any = _(_profile_choices().get(self.values["profile"], self.values["profile"]))
        parts = []
        if self.values["grades"]:
            parts.append(_("grade %(grades)s") % {"grades": ", ".join(self.values["grades"])})
        if self.values["score"] is not None:
            parts.append(_("a fit of at least %(score)s") % {"score": f"{self.values['score']:g}"})
        return _("%(what)s by the profile “%(profile)s”") % {"what": ", ".join(parts), "profile": profile}
