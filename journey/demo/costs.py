"""What the demo company spends, month by month, and what the currencies of its markets are worth."""

import datetime as dt
from decimal import Decimal

from journey.demo.parameters import DemoParameters
from journey.demo.words import UNITS_PER_DOLLAR
from journey.models import Cost, ExchangeRate

# Dollars for each account in a month, by kind and channel.
MONTHLY = (
    (Cost.Kind.MEDIA, "ads", 3.2),
    (Cost.Kind.MEDIA, "events", 2.1),
    (Cost.Kind.MEDIA, "content", 1.3),
    (Cost.Kind.MEDIA, "WeChat", 0.9),
    (Cost.Kind.LABOUR, "marketing", 4.5),
    (Cost.Kind.TECHNOLOGY, "", 1.1),
)
INTO = ("CNY", "EUR", "USD")  # currencies a demo may report in


def write_costs(parameters: DemoParameters, source: str) -> int:
    """Write a cost for each month and line of the budget, in the currency of the home market. Returns how many."""
    rng = parameters.stream("costs")
    first, last = parameters.start.date(), parameters.end.date()
    day = first.replace(day=1)
    made = []
    while day < last:
        following = (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
        for kind, channel, dollars in MONTHLY:
            season = rng.uniform(0.75, 1.3) if kind == Cost.Kind.MEDIA else rng.uniform(0.97, 1.05)
            amount = Decimal(round(dollars * parameters.accounts * UNITS_PER_DOLLAR["CNY"] * season, 2)).quantize(
                Decimal("0.01")
            )
            made.append(
                Cost(
                    source_system=source,
                    external_id=f"{day:%Y-%m}-{kind}-{channel or 'all'}",
                    kind=kind,
                    channel=channel,
                    first_day=max(day, first),
                    last_day=min(following, last) - dt.timedelta(days=1),
                    amount=amount,
                    currency="CNY",
                )
            )
        day = following
    Cost.objects.filter(source_system=source).delete()  # of a demo before
    return len(Cost.objects.bulk_create(made))


def write_rates(parameters: DemoParameters) -> None:
    """Write a rate for each year and pair, a little higher or lower each time; those that are there stay."""
    rng = parameters.stream("rates")
    rates = []
    for year in range(parameters.start.year, parameters.end.year + 1):
        worth = {name: units * rng.uniform(0.96, 1.04) for name, units in sorted(UNITS_PER_DOLLAR.items())}
        rates += [
            ExchangeRate(
                currency=currency,
                into=into,
                day=dt.date(year, 1, 1),
                rate=Decimal(worth[into] / worth[currency]).quantize(Decimal("0.000001")),
            )
            for into in INTO
            for currency in worth
            if currency != into
        ]
    ExchangeRate.objects.bulk_create(rates, ignore_conflicts=True)
