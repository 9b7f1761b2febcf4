"""The activities a story cannot do without: requests for a demo or a price, meetings held and not held."""

from dataclasses import dataclass

import numpy as np

from journey.demo.catalogue import CODE
from journey.demo.companies import Companies
from journey.demo.interest import Deals, Episodes, join, take
from journey.demo.parameters import DAY, HOUR, DemoParameters
from journey.demo.people import People
from journey.demo.seasons import to_working_hours

OUTCOMES = ("", "held", "no_show", "cancelled", "connected", "no_answer")
HELD, NO_SHOW, CANCELLED, CONNECTED, NO_ANSWER = range(1, 6)


@dataclass
class Staged:
    """Activities the story needs, before they are given contacts."""

    account: np.ndarray
    type: np.ndarray
    occurred: np.ndarray
    place: np.ndarray  # which of the account's people
    outcome: np.ndarray
    content: np.ndarray  # number within the type's content


def make_staged(
    parameters: DemoParameters, companies: Companies, people: People, episodes: Episodes, deals: Deals
) -> Staged:
    """Return the meetings, held and not held, and the requests of the episodes and deals, without order."""
    rng = parameters.stream("staged")
    end = parameters.seconds
    parts: list[Staged] = []

    def at_work(account: np.ndarray, time: np.ndarray) -> np.ndarray:
        when = to_working_hours(parameters, companies.clock[account], time, rng.random(len(account)))
        return np.maximum(when, np.maximum(companies.created[account], 0) + HOUR)

    asked = np.flatnonzero(episodes.hot < end)
    hot_types = np.array([CODE[key] for key in ("demo_request", "trial_start", "price_request", "contact_sales")])
    hot = hot_types[np.searchsorted([0.45, 0.65, 0.85], rng.random(len(asked)))]
    hot = np.where(episodes.is_return[asked], hot_types[0], hot)
    place = rng.integers(0, 3, len(asked))
    account = episodes.account[asked]
    nothing = np.zeros(len(asked), dtype=np.int64)
    parts.append(Staged(account, hot, at_work(account, episodes.hot[asked]), place, nothing, nothing))

    def meet(account: np.ndarray, time: np.ndarray, content: np.ndarray, missed: float) -> None:
        """Add a meeting that was held, with one to three people, and in some cases one before it that was not."""
        size = len(account)
        when = at_work(account, time)
        present = np.minimum(np.searchsorted([0.35, 0.75], rng.random(size)) + 1, people.count(account))
        meeting = np.repeat(np.arange(size), present)
        place = np.arange(len(meeting)) - np.repeat(np.cumsum(present) - present, present)
        kind, held = np.full(len(meeting), CODE["meeting"]), np.full(len(meeting), HELD)
        parts.append(Staged(account[meeting], kind, when[meeting], place, held, content[meeting]))
        off = np.flatnonzero(rng.random(size) < missed)
        before = at_work(account[off], time[off] - rng.integers(3 * DAY, 12 * DAY, len(off)))
        why = np.where(rng.random(len(off)) < 0.5, NO_SHOW, CANCELLED)
        nobody_else = np.zeros(len(off), dtype=np.int64)
        parts.append(Staged(account[off], kind[: len(off)], before, nobody_else, why, content[off]))

    met = np.flatnonzero(episodes.meeting < end)
    meet(episodes.account[met], episodes.meeting[met], np.zeros(len(met), dtype=np.int64), 0.2)
    for stage in range(1, 4):
        moves = np.flatnonzero(
            (deals.entered[:, stage] < np.minimum(deals.closes, end)) & (deals.entered[:, stage] > deals.opened)
        )
        moves = moves[rng.random(len(moves)) < 0.75]
        when = deals.entered[moves, stage] - rng.integers(0, 3 * DAY, len(moves))
        meet(deals.account[moves], when, np.full(len(moves), stage + 1), 0.12)
    staged = join(parts)
    return take(staged, np.flatnonzero(staged.occurred < end))
