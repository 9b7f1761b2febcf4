"""Which history is in force, and whom changed facts affect."""

from typing import Any

import numpy as np

from journey.models import History, JourneyVersion, Opportunity
from segmentation.engine.steps import Int64s
from segmentation.models import Account, Contact
from segmentation.selectors.touches import Touched

_MODELS: dict[str, Any] = {"account": Account, "contact": Contact, "opportunity": Opportunity}


def current_history(version: JourneyVersion) -> History | None:
    """The history readers use, None before the first replay."""
    return History.objects.filter(version=version, state=History.State.CURRENT).first()


def current_snapshots() -> list[str]:
    """The database snapshots the histories in force were made from."""
    return list(History.objects.filter(state=History.State.CURRENT).values_list("snapshot", flat=True))


def entity_count(unit: str) -> int:
    """How many accounts, contacts or opportunities there are."""
    return int(_MODELS[unit].objects.count())


_AFFECTED = {
    # People whose rank changed were active for these accounts, perhaps not only for their present one.
    "account": "SELECT unnest(%(accounts)s::bigint[])"
    " UNION SELECT account_id FROM scoring_activity WHERE contact_id = ANY (%(contacts)s) AND account_id IS NOT NULL",
    "contact": "SELECT unnest(%(contacts)s::bigint[])"
    " UNION SELECT id FROM segmentation_contact WHERE account_id = ANY (%(accounts)s)"
    " UNION SELECT contact_id FROM scoring_activity WHERE account_id = ANY (%(accounts)s) AND contact_id IS NOT NULL",
    "opportunity": "SELECT unnest(%(opportunities)s::bigint[])"
    " UNION SELECT id FROM journey_opportunity WHERE account_id = ANY (%(accounts)s)"
    " UNION SELECT o.id FROM journey_opportunity o JOIN scoring_activity a ON a.account_id = o.account_id"
    " WHERE a.contact_id = ANY (%(contacts)s)",
}


def affected_entities(connection: Any, unit: str, touched: Touched) -> Int64s:
    """Primary keys of the entities whose history changed facts may change; some may be gone."""
    if not len(touched):
        return np.empty(0, dtype=np.int64)
    keys = {name: getattr(touched, name).tolist() for name in ("accounts", "contacts", "opportunities")}
    with connection.cursor() as cursor:
        cursor.execute(_AFFECTED[unit], keys)
        return np.unique(np.array([row[0] for row in cursor.fetchall()], dtype=np.int64))
