"""What the roles may do with the models of this app: see `segmentation.services.roles`."""

from scoring.models import Activity, ActivityType, IntentSignal, IntentTopic
from segmentation.services.roles import grant

grant(Activity, marketer="vac", rep="v", integration="vacd")
grant(ActivityType, marketer="vac", integration="v")
grant(IntentTopic, marketer="vacd", rep="v", integration="v")
grant(IntentSignal, marketer="vac", rep="v", integration="vacd")
