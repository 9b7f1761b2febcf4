"""What people decided in the demo world: who went onto which list, and what they know of the accounts."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from journey.demo.companies import Companies
from journey.demo.interest import Customers, Disqualifications
from journey.demo.parameters import DAY, DemoParameters
from journey.demo.words import TEAMS

KEY_ACCOUNTS = "key-accounts"
PLACES = {KEY_ACCOUNTS: 15}  # of the quota; every other team is mid market
MID_MARKET_PLACES = 30
MARKETERS = ("Mia Hartmann", "林晨")


@dataclass(frozen=True)
class DemoList:
    """A target account list: its tier, and the share of all accounts that are ever on it, at most so many."""

    key: str
    name: str
    description: str
    tier: int
    share: float
    most: int
    review_every_days: int


LISTS = (
    DemoList("key-accounts", "Key accounts 1:1", "A plan of its own for each of them.", 1, 0.012, 26, 30),
    DemoList("clusters", "Industry clusters 1:few", "Worked together by industry.", 2, 0.045, 90, 60),
    DemoList(
        "growth", "Growth programme 1:many", "Reached by programmes, handed over when they wake up.", 3, 0.2, 420, 90
    ),
)


@dataclass(frozen=True)
class Membership:
    """A state of an account on a list, in seconds after the start of the world; `until` None while it lasts."""

    list_key: str
    account: int
    state: str
    since: int
    until: int | None
    reason: str = ""
    note: str = ""
    team: int | None = None
    rep: str = ""
    set_by: str = ""
    decided_by: str = ""


@dataclass(frozen=True)
class Request:
    """Sales ask to disqualify an account of a list; nobody decided yet."""

    list_key: str
    account: int
    team: int
    rep: str
    asked: int
    reason: str


@dataclass(frozen=True)
class Answer:
    """What a person said of an account; on a scale 1 to 5, else 1 yes and 0 no."""

    account: int
    item: str
    kind: str
    value: int
    at: int
    by: str
    note: str = ""


@dataclass
class Curation:
    """All of it. Accounts are positions in the world."""

    memberships: list[Membership] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


def make_curation(
    parameters: DemoParameters, companies: Companies, customers: Customers, disqualified: Disqualifications
) -> Curation:
    """Return what people decided: the same for the same parameters."""
    bought = set(customers.account.tolist())
    found = Curation()
    free = np.ones(len(companies), dtype=bool)
    free[disqualified.account] = False  # taken off every list that day: they were never worth a decision
    held: dict[int, int] = defaultdict(int)
    for of_list in LISTS:
        rng = parameters.stream("lists", of_list.tier)
        wanted = min(round(of_list.share * len(companies)), of_list.most)
        # Those of the tier first, and among them those that fit; some are always chosen for other reasons.
        appeal = (companies.tier == of_list.tier) * 4.0 + companies.fit + rng.normal(0, 0.6, len(companies))
        appeal[~free] = -np.inf
        chosen = [int(i) for i in np.argsort(-appeal, kind="stable")[:wanted] if np.isfinite(appeal[i])]
        free[chosen] = False
        for account in chosen:
            _member(found, parameters, companies, of_list, account, rng, held, account in bought)
    _answers(found, parameters, companies)
    return found


def _member(
    found: Curation,
    parameters: DemoParameters,
    companies: Companies,
    of_list: DemoList,
    account: int,
    rng: np.random.Generator,
    held: dict[int, int],
    bought: bool,
) -> None:
    """The way of one account on a list, from its first row to the present one."""
    end = parameters.seconds
    wave = int(rng.integers(0, 8)) if rng.random() < 0.5 else 0  # half of a list is there from the beginning
    since = max(int((0.04 + 0.11 * wave) * end + rng.integers(0, 10 * DAY)), int(companies.created[account]) + DAY)
    team = int(companies.team[account])
    places = PLACES.get(TEAMS[team].key, MID_MARKET_PLACES) if team >= 0 else 0
    by_sales = team >= 0 and rng.random() < 0.3 and held[team] < places - 2
    marketer = MARKETERS[int(rng.integers(0, len(MARKETERS)))]
    rep = TEAMS[team].reps[int(companies.rep[account]) % len(TEAMS[team].reps)] if by_sales else ""
    owner = {"team": team, "rep": rep} if by_sales else {}

    def add(state: str, begin: int, until: int | None, **more: str) -> None:
        found.memberships.append(
            Membership(of_list.key, account, state, begin, until, **{**owner, **more})  # type: ignore[arg-type]
        )

    why = ("fits_profile", "shows_interest", "known_contact")[int(rng.integers(0, 3))]
    if since > end - 12 * DAY or (by_sales and rng.random() < 0.12):
        if not by_sales:
            return
        held[team] += 1
        add("proposed", end - int(rng.integers(DAY, 9 * DAY)), None, reason=why, set_by=rep)
        return
    if by_sales:
        decided = since + int(rng.integers(2 * DAY, 9 * DAY))
        add("proposed", since, decided, reason=why, set_by=rep)
        if rng.random() < 0.15:
            refusal = ("outside_profile", "worked_elsewhere")[int(rng.integers(0, 2))]
            add("rejected", decided, None, reason=refusal, set_by=marketer, decided_by=marketer)
            return
        since = decided
        held[team] += 1
    decision = {"decided_by": marketer} if by_sales else {}
    fate = rng.random()
    leaves = since + int(rng.integers(90 * DAY, 260 * DAY))
    if fate > 0.34 or leaves > end - 20 * DAY:
        add("active", since, None, reason="" if by_sales else why, set_by=marketer, **decision)
        if fate < 0.4 and by_sales:
            asked = end - int(rng.integers(DAY, 6 * DAY))
            found.requests.append(Request(of_list.key, account, team, rep, asked, "no_budget"))
        return
    add("active", since, leaves, reason="" if by_sales else why, set_by=marketer, **decision)
    if fate < 0.16:
        back = leaves + int(rng.integers(45 * DAY, 90 * DAY))
        resumed = back < end - DAY
        add("recycling", leaves, back if resumed else None, reason="bad_moment", set_by=marketer)
        if resumed:
            add("active", back, None, note="They asked us to come back.", set_by=marketer)
        return
    if by_sales:
        held[team] -= 1
    if fate < 0.28:
        add("removed", leaves, None, reason="is_customer" if bought else "no_progress", set_by=marketer)
        return
    reason = ("no_need", "no_budget", "competitor")[int(rng.integers(0, 3))]
    add("disqualified", leaves, None, reason=reason, set_by=marketer)


# Keys of the ready-made checklist with how often an account that fits says yes.
ASKED = (
    ("need", "yes_no", 0.75),
    ("sellable", "yes_no", 0.97),
    ("strategic-direction", "yes_no", 0.6),
    ("business-goals", "yes_no", 0.65),
    ("no-market-shift", "yes_no", 0.85),
    ("similar-pains", "yes_no", 0.7),
    ("similar-customers", "yes_no", 0.55),
    ("similar-values", "scale", 0.6),
    ("similar-products", "yes_no", 0.5),
)
NOTES = {
    "need": ("Asked for a demonstration.", "They run a project on it this year.", ""),
    "sellable": ("Checked with legal.", ""),
    "similar-pains": ("Long cycle from order to delivery.", "Figures come too late for them.", ""),
}


def _answers(found: Curation, parameters: DemoParameters, companies: Companies) -> None:
    """What was said of the accounts on lists: of most of the 1:1, of few of the 1:many. Sometimes people differ."""
    rng = parameters.stream("answers")
    end = parameters.seconds
    likely = {of_list.key: chance for of_list, chance in zip(LISTS, (0.9, 0.6, 0.18), strict=True)}
    seen: set[int] = set()
    for row in found.memberships:
        if row.account in seen or rng.random() > likely[row.list_key]:
            continue
        seen.add(row.account)
        team = max(int(companies.team[row.account]), 0)
        people = (*MARKETERS, TEAMS[team].reps[0])
        lift = 0.12 * float(np.clip(companies.fit[row.account], -1.5, 1.5))
        for key, kind, chance in ASKED:
            if rng.random() > 0.8:
                continue
            who = people[int(rng.integers(0, len(people)))]
            at = min(row.since + int(rng.integers(DAY, 80 * DAY)), end - 3 * DAY)
            value = _value(rng, kind, chance + lift)
            notes = NOTES.get(key, ("",))
            found.answers.append(
                Answer(row.account, key, kind, value, at, who, notes[int(rng.integers(0, len(notes)))])
            )
            if rng.random() < 0.05:
                other = next(person for person in people if person != who)
                differs = 1 - value if kind == "yes_no" else (1 if value > 3 else 5)
                later = min(at + int(rng.integers(DAY, 60 * DAY)), end - DAY)
                found.answers.append(
                    Answer(row.account, key, kind, differs, later, other, "I heard otherwise in the last call.")
                )


def _value(rng: np.random.Generator, kind: str, chance: float) -> int:
    if kind == "yes_no":
        return int(rng.random() < chance)
    return int(np.clip(round(1 + 4 * chance + rng.normal(0, 1)), 1, 5))
