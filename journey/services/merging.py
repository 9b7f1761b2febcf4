"""What a merge of accounts does to the tables of this app, and what follows from it."""

from collections.abc import Sequence

from journey.models import CustomerPeriod, StageInterval, Suggestion
from journey.selectors.versions import published_versions
from journey.services.assessments import assess
from journey.services.replay import request_replay
from segmentation.selectors.profiles import published_profile_versions
from segmentation.services.merging import Leave, Merging, Rewrite, SetAside, after_merge, on_merge


def declare() -> None:
    """Called once at start-up."""
    on_merge(CustomerPeriod, Rewrite(join_periods))
    on_merge(StageInterval, Leave())  # the replay makes them of the facts
    on_merge(Suggestion, SetAside())  # of facts that were not all there; the next run looks at the survivor
    after_merge(bring_up_to_date)


def join_periods(merging: Merging) -> None:
    """Of two periods of one product that began together the longer one counts; all others stand side by side."""
    mine = {(row.product, row.started_at): row for row in CustomerPeriod.objects.filter(account=merging.survivor)}
    for row in CustomerPeriod.objects.filter(account=merging.absorbed):
        same = mine.get((row.product, row.started_at))
        if same is None:
            CustomerPeriod.objects.filter(pk=row.pk).update(account=merging.survivor)
            continue
        if same.ended_at is not None and (row.ended_at is None or row.ended_at > same.ended_at):
            CustomerPeriod.objects.filter(pk=same.pk).update(ended_at=row.ended_at)
        row.delete()


def bring_up_to_date(accounts: Sequence[int]) -> None:
    """Assess the accounts at once and queue the replay of their histories."""
    if published_profile_versions():
        assess(account_ids=accounts)
    if published_versions():
        request_replay()
