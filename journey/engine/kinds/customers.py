"""Former customers."""

from journey.engine.deals import CUSTOMER_PERIODS, DEALS, former_customers
from journey.engine.kinds.opportunities import initial_no
from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.facts import Facts
from segmentation.engine.steps import YES, Steps
from segmentation.engine.text import _, gettext_noop


@register
class FormerCustomer(Criterion):
    """A customer period has ended, none is in force, and nothing was won since."""

    kind = "former_customer"
    label = gettext_noop("Former customer")
    help = gettext_noop("The customer period ended and no opportunity was won since.")
    tables = frozenset({DEALS, CUSTOMER_PERIODS})

    def steps(self, facts: Facts) -> Steps:
        periods, table = facts.table(CUSTOMER_PERIODS), facts.table(DEALS)
        return Steps(
            initial_no(len(facts)),
            *former_customers(
                periods.rows.begin,
                periods.rows.end,
                periods.start,
                periods.end,
                table.rows.begin,
                table.rows.end,
                table.time,
                table.deal,
                table.state,
            ),
        )

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        if self.steps(facts).at(entity, instant) == YES:
            return Measure(_("the customer period ended"))
        return Measure(_("no customer period has ended"), _("the end of the customer period"), gap=1.0)

    def sentence(self) -> str:
        return _("a former customer")
