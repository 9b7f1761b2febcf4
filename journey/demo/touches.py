"""The activities. First those the story needs (meetings, requests), then, up to the number asked for, the many others
drawn from how interested an account was at the time."""

from dataclasses import dataclass

import numpy as np

from journey.demo.catalogue import CODE, TYPES, Catalogue
from journey.demo.companies import Companies
from journey.demo.interest import take
from journey.demo.parameters import DAY, HOUR, DemoParameters
from journey.demo.people import People
from journey.demo.seasons import Seasons
from journey.demo.spans import BUYING, LOOKING, OUTREACH, QUIET, SELLING, STUDYING, USING, Spans
from journey.demo.staged import CANCELLED, CONNECTED, NO_ANSWER, NO_SHOW, Staged

NONE = -1
CHUNK = 400_000

MIX: dict[int, dict[str, float]] = {
    QUIET: {
        "email_open": 40, "page_view": 26, "email_click": 6, "ad_click": 6, "social_engagement": 5, "wechat_read": 8,
        "product_page_view": 5, "content_open": 2, "career_page_view": 3, "wechat_save": 1, "webinar": 0.6,
    },
    LOOKING: {
        "page_view": 34, "product_page_view": 16, "email_open": 18, "email_click": 7, "case_study_view": 6,
        "content_download": 3, "content_open": 4, "ad_click": 5, "form_fill": 2, "webinar": 1.5, "wechat_read": 6,
        "price_page_view": 2, "social_engagement": 2,
    },
    STUDYING: {
        "page_view": 18, "product_page_view": 20, "price_page_view": 8, "case_study_view": 9, "content_download": 6,
        "content_open": 12, "email_open": 11, "email_click": 5, "webinar": 7, "event": 2.2, "form_fill": 2,
        "wechat_read": 4, "ad_click": 2, "social_engagement": 1, "visit": 0.4,
    },
    BUYING: {
        "page_view": 14, "product_page_view": 20, "price_page_view": 14, "case_study_view": 10, "content_open": 16,
        "content_download": 4, "email_open": 10, "email_click": 4, "webinar": 2.5, "event": 1, "wechat_read": 3,
        "visit": 0.6,
    },
    OUTREACH: {"sales_email": 76, "sales_call": 20, "sales_email_reply": 4},
    SELLING: {"sales_email": 44, "sales_call": 26, "sales_email_reply": 30},
    USING: {"product_login": 48, "product_use": 44, "support_ticket": 4, "training": 1, "email_open": 3},
}  # fmt: skip
# Nobody is known by name: the share of web visits that stay anonymous. The others need a name or come without one.
ANONYMOUS = np.array([0.5, 0.34, 0.10, 0.08, 0.0, 0.0, 0.0])
WEB = ("page_view", "product_page_view", "price_page_view", "case_study_view", "career_page_view", "ad_click")
# How unevenly the people of an account take part: 1 is evenly, more leaves it to those known longest.
UNEVEN = np.array([2.4, 1.8, 1.3, 1.3, 1.6, 1.5, 1.7])

# Recorded engagement: share of activities without one, median seconds, spread, most seconds.
DURATIONS: dict[str, tuple[float, float, float, float]] = {
    "page_view": (0.05, 48, 0.9, 1_800),
    "product_page_view": (0.05, 95, 0.8, 1_800),
    "price_page_view": (0.05, 110, 0.8, 1_800),
    "case_study_view": (0.05, 170, 0.7, 2_400),
    "career_page_view": (0.05, 40, 0.8, 900),
    "content_open": (0.1, 330, 0.8, 5_400),
    "content_download": (0.8, 420, 0.4, 2_400),
    "webinar": (0.15, 2_100, 0.45, 5_400),
    "event": (0.6, 9_000, 0.4, 28_800),
    "visit": (0.4, 4_500, 0.3, 14_400),
    "wechat_read": (0.3, 120, 0.7, 1_800),
    "sales_call": (0.0, 420, 0.7, 3_600),
    "meeting": (0.35, 2_700, 0.3, 7_200),
    "product_login": (1.0, 1, 0.1, 2),
    "product_use": (0.1, 700, 0.9, 14_400),
    "training": (0.2, 4_200, 0.4, 14_400),
}


@dataclass
class Activities:
    """One entry per activity, in the order in which they became known."""

    account: np.ndarray
    contact: np.ndarray  # -1: nobody known
    type: np.ndarray
    occurred: np.ndarray
    recorded: np.ndarray
    seconds: np.ndarray  # -1: none recorded
    outcome: np.ndarray
    campaign: np.ndarray
    content: np.ndarray

    def __len__(self) -> int:
        return len(self.account)


def make_activities(
    parameters: DemoParameters,
    companies: Companies,
    people: People,
    spans: Spans,
    staged: Staged,
    catalogue: Catalogue,
    seasons: Seasons,
) -> Activities:
    """Return exactly as many activities as asked for, in the order in which they became known."""
    rng = parameters.stream("activities")
    total = parameters.activities
    most = total // 2 if len(spans.account) else total
    if len(staged.account) > most:
        staged = take(staged, np.sort(rng.permutation(len(staged.account))[:most]))
    wanted = total - len(staged.account)
    low = seasons.mass(companies.clock[spans.account], spans.begin)
    high = seasons.mass(companies.clock[spans.account], spans.end)
    weight = spans.rate * np.maximum(high - low, 0.0)
    if wanted and not weight.sum():
        # A tiny world in which nobody happens to take interest: its first account reads now and then.
        begin = np.maximum(companies.created[:1], 0) + HOUR
        spans = Spans(np.zeros(1, int), np.full(1, QUIET), begin, np.full(1, parameters.seconds), np.ones(1))
        low = seasons.mass(companies.clock[:1], spans.begin)
        high = seasons.mass(companies.clock[:1], spans.end)
        weight = np.ones(1)
    counts = rng.multinomial(wanted, weight / weight.sum()) if wanted else np.zeros(len(spans.account), dtype=np.int64)

    result = _empty(total)
    filler = _Filler(parameters, companies, people, spans, low, high, catalogue, seasons)
    upto = np.cumsum(counts)
    for part, done in enumerate(range(0, wanted, CHUNK)):
        activity = np.arange(done, min(done + CHUNK, wanted))
        filler.fill(result, done, part, np.searchsorted(upto, activity, side="right"))
    filler.fill_staged(result, wanted, staged)
    order = np.argsort(result.recorded, kind="stable")
    for name in vars(result):
        setattr(result, name, getattr(result, name)[order])
    return result


def _empty(size: int) -> Activities:
    return Activities(
        account=np.empty(size, dtype=np.int32),
        contact=np.empty(size, dtype=np.int32),
        type=np.empty(size, dtype=np.int8),
        occurred=np.empty(size, dtype=np.int32),
        recorded=np.empty(size, dtype=np.int32),
        seconds=np.empty(size, dtype=np.int32),
        outcome=np.empty(size, dtype=np.int8),
        campaign=np.empty(size, dtype=np.int16),
        content=np.empty(size, dtype=np.int16),
    )


class _Filler:
    """Draws the activities of spans, one chunk after the other."""

    def __init__(
        self,
        parameters: DemoParameters,
        companies: Companies,
        people: People,
        spans: Spans,
        low: np.ndarray,
        high: np.ndarray,
        catalogue: Catalogue,
        seasons: Seasons,
    ):
        self.parameters, self.companies, self.people, self.spans = parameters, companies, people, spans
        self.low, self.high, self.catalogue, self.seasons = low, high, catalogue, seasons
        self.mix = np.array([_lookup(MIX[kind]) for kind in range(len(MIX))])
        self.is_web = np.isin(np.arange(len(TYPES)), [CODE[key] for key in WEB])
        durations = np.array([DURATIONS.get(key, (1.0, 1.0, 0.1, 2.0)) for key in TYPES])
        self.unrecorded, self.median, self.spread, self.most = durations.T

    def fill(self, result: Activities, done: int, part: int, span: np.ndarray) -> None:
        """Draw one activity for each entry of `span`, a number in the spans."""
        rng = self.parameters.stream("activity", part)
        size = len(span)
        account = self.spans.account[span]
        kind = self.spans.kind[span]
        mass = self.low[span] + (self.high[span] - self.low[span]) * rng.random(size)
        occurred = self.seasons.times(self.companies.clock[account], mass)
        type_code = self.mix[kind, rng.integers(0, self.mix.shape[1], size)]
        # WeChat is read in China, other social media elsewhere.
        chinese = self.companies.is_chinese[account]
        foreign = ~chinese & np.isin(type_code, [CODE["wechat_read"], CODE["wechat_save"]])
        type_code[foreign] = CODE["social_engagement"]
        type_code[chinese & (type_code == CODE["social_engagement"])] = CODE["wechat_read"]
        occurred = self._at_its_date(rng, type_code, span, occurred)

        known = self.people.count(account)
        named = (known > 0) & ~(self.is_web[type_code] & (rng.random(size) < ANONYMOUS[kind]))
        place = np.minimum((known * rng.random(size) ** UNEVEN[kind]).astype(np.int64), known - 1)
        contact = np.where(named, self.people.first[account] + place, NONE)
        self._store(rng, result, done, account, contact, type_code, occurred, None, None)

    def fill_staged(self, result: Activities, done: int, staged: Staged) -> None:
        """Store the activities the story needs."""
        rng = self.parameters.stream("staged activity")
        known = self.people.count(staged.account)
        place = np.minimum(staged.place, known - 1)
        contact = np.where(known > 0, self.people.first[staged.account] + place, NONE)
        self._store(
            rng, result, done, staged.account, contact, staged.type, staged.occurred, staged.outcome, staged.content
        )

    def _at_its_date(
        self, rng: np.random.Generator, type_code: np.ndarray, span: np.ndarray, occurred: np.ndarray
    ) -> np.ndarray:
        """Move attendance to the next webinar or event, unless that is too late; such webinars were watched later."""
        for key, dates in (("webinar", self.catalogue.webinars), ("event", self.catalogue.events)):
            at = np.flatnonzero(type_code == CODE[key])
            if not len(dates) or not len(at):
                continue
            following = np.searchsorted(dates, occurred[at])
            date = dates[np.minimum(following, len(dates) - 1)] + rng.integers(0, 600, len(at))
            fits = (following < len(dates)) & (date < self.spans.end[span[at]]) & (date > self.spans.begin[span[at]])
            occurred[at[fits]] = date[fits]
        return occurred

    def _store(
        self,
        rng: np.random.Generator,
        result: Activities,
        done: int,
        account: np.ndarray,
        contact: np.ndarray,
        type_code: np.ndarray,
        occurred: np.ndarray,
        outcome: np.ndarray | None,
        content_number: np.ndarray | None,
    ) -> None:
        size = len(account)
        here = slice(done, done + size)
        seconds = self.median[type_code] * np.exp(self.spread[type_code] * rng.standard_normal(size))
        seconds = np.clip(np.round(seconds), 1, self.most[type_code]).astype(np.int64)
        seconds[rng.random(size) < self.unrecorded[type_code]] = NONE
        if outcome is None:
            outcome = np.zeros(size, dtype=np.int64)
            called = type_code == CODE["sales_call"]
            answered = rng.random(size) < 0.45
            outcome[called] = np.where(answered[called], CONNECTED, NO_ANSWER)
            seconds[called & ~answered] = 0
        seconds[(outcome == NO_SHOW) | (outcome == CANCELLED)] = 0

        catalogue = self.catalogue
        language = self.companies.is_chinese[account].astype(np.int64)
        count = catalogue.content_count[type_code]
        if content_number is None:
            content_number = (count * rng.random(size) ** 1.5).astype(np.int64)
        first = catalogue.content_first[type_code, language]
        content = np.where(first > 0, first + np.minimum(content_number, count - 1), 0)
        family = catalogue.family[type_code]
        month = catalogue.month_of_day[occurred // DAY]
        campaign = catalogue.campaign[np.maximum(family, 0), month, rng.integers(0, 3, size)]
        campaign = np.where(rng.random(size) < catalogue.family_share[type_code], campaign, 0)

        result.account[here] = account
        result.contact[here] = contact
        result.type[here] = type_code
        result.occurred[here] = occurred
        result.recorded[here] = self._learnt(rng, type_code, occurred)
        result.seconds[here] = seconds
        result.outcome[here] = outcome
        result.campaign[here] = campaign
        result.content[here] = content

    def _learnt(self, rng: np.random.Generator, type_code: np.ndarray, occurred: np.ndarray) -> np.ndarray:
        """Return when the activities became known: soon, lists of attendants and notes of sales later, a few late."""
        size = len(occurred)
        delay = rng.exponential(90.0, size)
        slow = np.isin(
            type_code, [CODE[key] for key in ("event", "visit", "training", "meeting", "sales_call", "webinar")]
        )
        delay = np.where(slow, rng.exponential(0.6 * DAY, size), delay)
        delay = np.where(rng.random(size) < 0.015, rng.uniform(DAY, 45 * DAY, size), delay)
        return np.minimum(occurred + delay.astype(np.int64), self.parameters.seconds - 1)


def _lookup(mix: dict[str, float], size: int = 4_096) -> np.ndarray:
    """Return a list of types, each as often as its share: drawing an entry draws a type."""
    limits = np.round(np.cumsum(list(mix.values())) / sum(mix.values()) * size).astype(np.int64)
    codes = np.array([CODE[key] for key in mix])
    return codes[np.searchsorted(limits, np.arange(size), side="right")]
