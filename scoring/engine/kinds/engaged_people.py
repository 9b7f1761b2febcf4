"""How many people (or personas) were each engaged for long enough in a rolling window."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scoring.engine.activities import ACTIVITIES, ActivityTable, Restriction
from scoring.engine.instants import people_at
from scoring.engine.kernels import window_people
from scoring.engine.kinds.engaged_minutes import rows_in_window, threshold_of
from scoring.engine.people import ReadsActivities
from scoring.engine.restrictions import RESTRICTIONS, duration, restriction_of, restriction_words, window_words
from segmentation.engine.criteria import Measure, register
from segmentation.engine.errors import RuleError
from segmentation.engine.facts import Facts
from segmentation.engine.params import COMPARATORS, DAY, Choice, Number, Param, comparator, window_days
from segmentation.engine.steps import Int64s, Steps
from segmentation.engine.text import _, gettext_noop, ngettext

COUNTED = {"person": gettext_noop("people"), "persona": gettext_noop("personas (distinct buying roles)")}


@register
class EngagedPeople(ReadsActivities):
    """At least so many people, each with more than (or at least) so many minutes within the window.

    Counting personas, the distinct buying roles of such people count; a person without a role is no persona.
    """

    kind = "engaged_people"
    label = gettext_noop("Engaged people")
    help = gettext_noop(
        "Counts people who were each engaged for long enough. Activities without a contact never count for people."
    )
    params: ClassVar[tuple[Param, ...]] = (
        Number(name="people", label=gettext_noop("at least"), minimum=1, maximum=100_000, required=True),
        Choice(name="count", label=gettext_noop("count"), choices=COUNTED, default="person"),
        comparator(),
        Number(name="minutes", label=gettext_noop("minutes each"), whole=False, maximum=1e7, default=0.0),
        window_days(),
        *RESTRICTIONS,
    )

    def check(self) -> None:
        if self.values["comparator"] == ">=" and self.values["minutes"] == 0:
            raise RuleError(
                "bad_threshold",
                "minutes",
                0,
                _("Everybody has at least 0 minutes."),
                _("Use “more than 0” for people who did anything at all."),
            )

    def steps(self, facts: Facts) -> Steps:
        table: ActivityTable = facts.table(ACTIVITIES)
        offsets, time, value = window_people(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.seconds,
            table.number,
            table.contact,
            table.contacts,
            table.classes.weights(self.restriction()),
            table.classes.role_of(),
            table.classes.shape[4],
            self.values["count"] == "persona",
            (self.values["window_days"] or 0) * DAY,
            threshold_of(self.values, 60, "minutes"),
            self.values["people"],
        )
        return Steps(np.zeros(len(facts), dtype=np.int8), offsets, time, value)

    def restriction(self) -> Restriction:
        return restriction_of(self.values)

    def reads_people(self, table: ActivityTable) -> bool:
        return self.values["count"] == "persona" or super().reads_people(table)

    def gaps(self, facts: Facts, entities: Int64s, instant: int) -> NDArray[np.float64]:
        table: ActivityTable = facts.table(ACTIVITIES)
        held = people_at(
            *table.walked,
            table.contact,
            table.contacts,
            table.classes.weights(self.restriction()),
            table.classes.role_of(),
            table.classes.shape[4],
            self.values["count"] == "persona",
            (self.values["window_days"] or 0) * DAY,
            threshold_of(self.values, 60, "minutes"),
            entities,
            instant,
        )
        found: NDArray[np.float64] = (self.values["people"] - held) / self.values["people"]
        return found

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        table: ActivityTable = facts.table(ACTIVITIES)
        rows = rows_in_window(table, entity, instant, self.values["window_days"])
        seconds = table.effective_seconds(rows, table.classes.weights(self.restriction()))
        roles = table.classes.role_of()[table.number[rows]]
        threshold = threshold_of(self.values, 60, "minutes")
        personas = self.values["count"] == "persona"
        sums: dict[tuple[int, int], int] = {}
        for contact, role, amount in zip(table.contact[rows], roles, seconds, strict=True):
            if amount > 0 and contact >= 0 and (role > 0 or not personas):
                key = (int(contact), int(role) if personas else 0)
                sums[key] = sums.get(key, 0) + int(amount)
        enough = [key for key, total in sums.items() if total > threshold]
        held = len({role for _contact, role in enough}) if personas else len(enough)
        needed = self.values["people"]
        counted = tuple(int(k) for k in rows.start + np.flatnonzero(seconds > 0))
        found = self._people(held) + window_words(self.values["window_days"])
        if held >= needed:
            return Measure(found=found, value=held, needed=needed, rows=counted)
        missing = self._people(needed - held, more=True)
        near = sorted((total for total in sums.values() if total <= threshold), reverse=True)
        if near:
            missing += _(", the nearest needs %(time)s more") % {"time": duration(threshold + 1 - near[0])}
        return Measure(found, missing, held, needed, gap=(needed - held) / needed, rows=counted)

    def _people(self, number: int, more: bool = False) -> str:
        if self.values["count"] == "persona":
            text = (
                ngettext("%(n)s more persona", "%(n)s more personas", number)
                if more
                else ngettext("%(n)s persona engaged long enough", "%(n)s personas engaged long enough", number)
            )
        else:
            text = (
                ngettext("%(n)s more person", "%(n)s more people", number)
                if more
                else ngettext("%(n)s person engaged long enough", "%(n)s people engaged long enough", number)
            )
        return text % {"n": number}

    def sentence(self) -> str:
        number = self.values["people"]
        if self.values["count"] == "persona":
            people = ngettext("%(n)s persona (buying role)", "%(n)s personas (distinct buying roles)", number)
        else:
            people = ngettext("%(n)s person", "%(n)s people", number)
        return _("at least %(people)s with %(compare)s %(minutes)s minutes each%(window)s%(limits)s") % {
            "people": people % {"n": number},
            "compare": _(COMPARATORS[self.values["comparator"]]),
            "minutes": f"{self.values['minutes']:g}",
            "window": window_words(self.values["window_days"]),
            "limits": restriction_words(self.values),
        }
