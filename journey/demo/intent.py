"""What a provider of intent data reports about the demo accounts: a quiet interest, and more of it before a deal."""

import datetime as dt

import numpy as np

from journey.demo.deals import Opportunities
from journey.demo.interest import NEW
from journey.demo.parameters import DAY, DemoParameters
from scoring.models import IntentSignal, IntentTopic
from scoring.services.intent import save_topic

# Key, name, kind, keywords, whether activities with these words count.
TOPICS = (
    ("orbit", "Orbit", "brand", ("orbit crm", "orbit analytics"), False),
    ("choosing-crm", "Choosing a CRM", "category", ("choosing a crm", "crm software", "选择CRM"), True),
    ("data-protection", "Data protection", "category", ("data protection", "数据保护"), True),
    ("halo", "Halo CRM", "competitor", ("halo crm", "halo pricing"), True),
)
SITES = ("Review site", "Trade journal", "Search network")
WATCHED, MOST_WATCHED = 0.35, 2000  # share of the accounts a provider knows, at most so many
WEEKLY = 0.09  # signals a week of a quiet account
BEFORE_DEAL = (6, 14)  # signals in the five weeks before a first deal
WAKING, MOST_WAKING = 0.02, 40  # share of the watched accounts that surge at the end of the history
UNKNOWN = ("Brightwater Foods", "northvale.example", "晨曦零售")  # companies that are no accounts


def write_intent(parameters: DemoParameters, opportunities: Opportunities, first_account: int, source: str) -> int:
    """Make the topics that are missing and write the signals of the period. Returns how many signals."""
    rng = parameters.stream("intent")
    topics = [_topic(key, name, kind, words, matched) for key, name, kind, words, matched in TOPICS]
    watched = np.flatnonzero(rng.random(parameters.accounts) < WATCHED)[:MOST_WATCHED]
    rows: list[tuple[int, int]] = []  # account, seconds after the start
    for account, number in zip(watched, rng.poisson(WEEKLY * parameters.days / 7, len(watched)), strict=True):
        rows += [(int(account), int(at)) for at in rng.integers(0, parameters.seconds, number)]
    is_watched = np.zeros(parameters.accounts, dtype=bool)
    is_watched[watched] = True
    for deal in np.flatnonzero((opportunities.kind == NEW) & is_watched[opportunities.account]):
        opened = int(opportunities.opened[deal])
        number = int(rng.integers(*BEFORE_DEAL))
        rows += [
            (int(opportunities.account[deal]), int(at)) for at in opened - rng.integers(DAY, 35 * DAY, number) if at > 0
        ]
    waking = rng.permutation(watched)[: min(round(WAKING * len(watched)) + 1, MOST_WAKING)]
    for account in waking:
        rows += [
            (int(account), int(at)) for at in parameters.seconds - rng.integers(3600, 6 * DAY, rng.integers(4, 11))
        ]
    # Everybody has one interest that most of the signals are about.
    favourite = rng.integers(0, len(topics), parameters.accounts)
    made = []
    for number, (account, at) in enumerate(sorted(rows)):
        topic = topics[favourite[account] if rng.random() < 0.75 else rng.integers(0, len(topics))]
        made.append(
            IntentSignal(
                account_id=first_account + account,
                topic=topic,
                keyword=topic.keywords[rng.integers(0, len(topic.keywords))] if topic.keywords else "",
                occurred_at=parameters.start + dt.timedelta(seconds=at),
                recorded_at=parameters.start + dt.timedelta(seconds=min(at + DAY, parameters.seconds - 1)),
                number=int(rng.choice((1, 1, 1, 2, 3))),
                strength=int(rng.integers(20, 100)),
                source=SITES[rng.integers(0, len(SITES))],
                source_key=f"{source}:intent-{number}",
            )
        )
    for number, company in enumerate(UNKNOWN):
        made.append(
            IntentSignal(
                company=company,
                topic=topics[number % len(topics)],
                occurred_at=parameters.end - dt.timedelta(days=number + 1),
                source=SITES[0],
                source_key=f"{source}:intent-unknown-{number}",
            )
        )
    IntentSignal.objects.filter(source_key__startswith=f"{source}:intent-").delete()  # of a demo before
    return len(IntentSignal.objects.bulk_create(made, batch_size=5000))


def _topic(key: str, name: str, kind: str, keywords: tuple[str, ...], match_activities: bool) -> IntentTopic:
    known = IntentTopic.objects.filter(key=key).first()
    return known or save_topic(
        key=key, name=name, kind=kind, keywords=list(keywords), match_activities=match_activities
    )
