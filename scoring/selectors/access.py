"""How the facts of this app belong to sales teams: see `segmentation.selectors.access`."""

from scoring.models import Activity, ActivityType, IntentSignal, IntentTopic
from segmentation.selectors.access import limit_by_account, open_to_all

limit_by_account(Activity)
limit_by_account(IntentSignal)
open_to_all(ActivityType, IntentTopic)
