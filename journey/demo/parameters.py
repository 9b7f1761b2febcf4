"""What a demo world is made from. Equal parameters make equal worlds."""

import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError

MAX_ACCOUNTS = 100_000
MAX_ACTIVITIES = 10_000_000
MAX_YEARS = 10
MAX_SEED = 2**63 - 1
FIRST_DAY = date(1995, 1, 1)
LAST_DAY = date(2100, 1, 1)

DAY = 86_400
HOUR = 3_600


@dataclass(frozen=True)
class DemoParameters:
    """Size, seed and period of a demo world.

    Args:
        accounts: how many accounts.
        activities: how many activities, over all accounts; exactly so many are made.
        seed: start of the random numbers.
        years: length of the history, in years of 365 days.
        end_date: the history ends at 00:00 UTC of this day, which is the world's "now".

    Raises:
        InvalidValueError: a value is out of bounds; the error names field, value and bounds.
    """

    accounts: int
    activities: int
    seed: int
    years: int
    end_date: date

    def __post_init__(self) -> None:
        _check_bounds("accounts", self.accounts, 1, MAX_ACCOUNTS)
        _check_bounds("activities", self.activities, 0, MAX_ACTIVITIES)
        _check_bounds("seed", self.seed, 0, MAX_SEED)
        _check_bounds("years", self.years, 1, MAX_YEARS)
        if not FIRST_DAY + timedelta(days=365 * self.years) <= self.end_date <= LAST_DAY:
            raise InvalidValueError(
                _("%(field)s %(value)s cannot be used."),
                field="end-date",
                value=self.end_date,
                remedy=_("The demo history must lie between %(first)s and %(last)s."),
                params={"first": FIRST_DAY, "last": LAST_DAY},
            )

    @property
    def end(self) -> datetime:
        """The end of the history, which no fact reaches."""
        return datetime(self.end_date.year, self.end_date.month, self.end_date.day, tzinfo=UTC)

    @property
    def start(self) -> datetime:
        """The beginning of the history."""
        return self.end - timedelta(days=365 * self.years)

    @property
    def days(self) -> int:
        """Length of the history."""
        return 365 * self.years

    @property
    def seconds(self) -> int:
        """Length of the history; every time in a world is whole seconds after `start`."""
        return self.days * DAY

    def stream(self, name: str, part: int = 0) -> np.random.Generator:
        """Return the random numbers of one part of the world: parts do not shift each other."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode()), part])

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters, for JSON."""
        return {
            "accounts": self.accounts,
            "activities": self.activities,
            "seed": self.seed,
            "years": self.years,
            "end_date": self.end_date.isoformat(),
        }


def _check_bounds(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidValueError(
            _("%(field)s %(value)s cannot be used."),
            field=field,
            value=value,
            remedy=_("Use a whole number from %(low)s to %(high)s."),
            params={"low": low, "high": high},
        )
