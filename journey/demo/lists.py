"""Target accounts of the demo: a list, quotas, members and what waits for review. Made once, by the services."""

from django.db import transaction
from django.utils.translation import gettext as _

from segmentation.models import Account, FlagType, MembershipReason, SalesTeam, TargetList
from segmentation.models.choices import QuotaKind
from segmentation.services.target_lists import (
    propose_accounts,
    propose_disqualification,
    review_proposals,
    set_quota,
)

PROPOSED, ACCEPTED, REFUSED = 9, 5, 1  # of each team; one of those accepted is asked to be disqualified


@transaction.atomic
def load_lists() -> bool:
    """Make the list and let every team propose some of its accounts. Does nothing where there is a list already."""
    if TargetList.objects.exists():
        return False
    target_list = TargetList.objects.create(key="key-accounts", name=_("Key accounts"), tier=1)
    reasons = {use: MembershipReason.objects.filter(use=use, active=True).first() for use in ("add", "disqualify")}
    for team in SalesTeam.objects.order_by("pk"):
        kind = QuotaKind.KEY_ACCOUNTS if "key" in team.key else QuotaKind.MID_MARKET
        set_quota(team=team, kind=kind)
        flagged = {"flags__flag_type__key": FlagType.DISQUALIFIED, "flags__end_at__isnull": True}
        accounts = Account.objects.filter(team=team).exclude(**flagged).order_by("tier", "pk")[:PROPOSED]
        rows = propose_accounts(
            target_list=target_list, accounts=accounts, team=team, reason=reasons["add"], note=_("Asked for a meeting")
        )
        review_proposals(memberships=rows[:ACCEPTED], accept=True)
        refused = rows[ACCEPTED : ACCEPTED + REFUSED]
        review_proposals(memberships=refused, accept=False, note=_("Too small for this year"))
        propose_disqualification(
            target_list=target_list,
            accounts=[row.account for row in rows[:1]],
            team=team,
            reason=reasons["disqualify"],
            note=_("Has decided for somebody else"),
        )
    return True
