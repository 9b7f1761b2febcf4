"""Which activity types are in use."""

from django.core.cache import cache

from scoring.models import Activity
from segmentation.selectors.tables import estimated_rows

LARGE = 200_000
KEPT_SECONDS = 3600


def used_type_ids() -> set[int]:
    """Return the types with at least one activity.

    No index has the types of activities, so this reads the whole table; of a large one the answer is kept for an hour.
    """

    def found() -> set[int]:
        return set(Activity.objects.order_by().values_list("type", flat=True).distinct())

    if (estimated_rows(Activity) or 0) < LARGE:
        return found()
    return cache.get_or_set("used_type_ids", found, KEPT_SECONDS) or set()
