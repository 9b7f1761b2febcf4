"""When people are active: hours, weekdays, holidays and the quiet weeks of the year, by part of the world."""

from datetime import date, timedelta

import numpy as np

from journey.demo.parameters import DAY, HOUR, DemoParameters

CHINA, EMEA, AMERICA, ASIA = range(4)
CLOCKS = (8, 1, -6, 8)  # hours ahead of UTC
REGION_CLOCKS = {"Greater China": CHINA, "APAC": ASIA, "EMEA": EMEA, "North America": AMERICA}

WEEKDAYS = np.array([1.0, 1.12, 1.15, 1.08, 0.85, 0.16, 0.14])
HOURS = (
    np.array([1, 1, 1, 1, 1, 1, 3, 10, 30, 52, 56, 48, 26, 40, 54, 52, 44, 30, 14, 10, 9, 8, 5, 2], dtype=float) / 20
)

# First day of the Chinese year; the offices are quiet from two days before to a fortnight after.
CHINESE_NEW_YEARS = (
    date(2018, 2, 16), date(2019, 2, 5), date(2020, 1, 25), date(2021, 2, 12), date(2022, 2, 1), date(2023, 1, 22),
    date(2024, 2, 10), date(2025, 1, 29), date(2026, 2, 17), date(2027, 2, 6), date(2028, 1, 26), date(2029, 2, 13),
    date(2030, 2, 3), date(2031, 1, 23), date(2032, 2, 11), date(2033, 1, 31), date(2034, 2, 19), date(2035, 2, 8),
)  # fmt: skip


class Seasons:
    """How active each part of the world is at each hour of the history, and times drawn from it."""

    def __init__(self, parameters: DemoParameters):
        first = parameters.start.date()
        # Two days more on each side: the clocks of the world are ahead and behind.
        days = [first + timedelta(days=offset) for offset in range(-2, parameters.days + 2)]
        self._seconds = parameters.seconds
        rows = []
        for clock, ahead in enumerate(CLOCKS):
            local = np.concatenate([_activeness(day, clock) * WEEKDAYS[day.weekday()] * HOURS for day in days])
            begin = 48 + ahead
            rows.append(np.concatenate([[0.0], np.cumsum(local[begin : begin + 24 * parameters.days])]))
        # One day of average activity is 1.
        self._mass = np.array([row / row[-1] * parameters.days for row in rows])

    def mass(self, clock: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the activity of a part of the world from the start to a time, in average days."""
        hours = np.clip(time, 0, self._seconds) / HOUR
        whole = np.minimum(hours.astype(np.int64), self._mass.shape[1] - 2)
        low = self._mass[clock, whole]
        return low + (self._mass[clock, whole + 1] - low) * (hours - whole)

    def times(self, clock: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """Return the times, in whole seconds, at which the activity reaches `mass`; the inverse of `mass`."""
        result = np.empty(len(mass), dtype=np.int64)
        for number, row in enumerate(self._mass):
            chosen = np.flatnonzero(clock == number)
            if not len(chosen):
                continue
            wanted = mass[chosen]
            hour = np.clip(np.searchsorted(row, wanted, side="right") - 1, 0, len(row) - 2)
            width = row[hour + 1] - row[hour]
            share = np.divide(wanted - row[hour], width, out=np.zeros_like(wanted), where=width > 0)
            result[chosen] = (hour + np.clip(share, 0.0, 1.0)) * HOUR
        return np.clip(result, 0, self._seconds - 1)


def _activeness(day: date, clock: int) -> float:
    factor = 1.0
    if (day.month, day.day) >= (7, 10) and (day.month, day.day) <= (8, 25):
        factor *= 0.72 if clock == EMEA else 0.85
    if (day.month, day.day) >= (12, 21) or (day.month, day.day) <= (1, 2):
        factor *= 0.8 if clock in (CHINA, ASIA) else 0.3
    if clock == CHINA and (day.month, day.day) >= (10, 1) and (day.month, day.day) <= (10, 7):
        factor *= 0.3
    if clock in (CHINA, ASIA) and any(-2 <= (day - year).days <= 13 for year in CHINESE_NEW_YEARS):
        factor *= 0.18 if clock == CHINA else 0.7
    if day.month % 3 == 0 and day.day >= 8 and factor == 1.0:
        factor *= 1.12
    return factor


def to_working_hours(parameters: DemoParameters, clock: np.ndarray, time: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Move times to a working day and hour near them; `share`, from 0 to 1, chooses the time of the day.

    Saturdays and Sundays become the Monday after.
    """
    ahead = np.array(CLOCKS)[clock] * HOUR
    day = (time + ahead) // DAY
    weekday = (day + parameters.start.weekday()) % 7
    day = day + np.where(weekday >= 5, 7 - weekday, 0)
    return day * DAY - ahead + (8.5 * HOUR + share * 9.5 * HOUR).astype(np.int64)


def to_quarter_end(parameters: DemoParameters, time: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Move times forward into the last eight days of their quarter; `share` chooses the day."""
    first = np.datetime64(parameters.start.date(), "D")
    days = first + np.floor_divide(time, DAY).astype("timedelta64[D]")
    months = days.astype("datetime64[M]").astype(np.int64)
    next_quarter = (months // 3 + 1) * 3
    last = next_quarter.astype("datetime64[M]").astype("datetime64[D]") - np.timedelta64(1, "D")
    target = (last - first).astype(np.int64) - np.floor(share * 8).astype(np.int64)
    return np.maximum(time, target * DAY)
