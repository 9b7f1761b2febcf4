"""What the roles may do with the models of this app: see `segmentation.services.roles`."""

from scoring.models import Activity, ActivityType
from segmentation.services.roles import grant

grant(Activity, marketer="vac", rep="v", integration="vacd")
grant(ActivityType, marketer="vac", integration="v")
