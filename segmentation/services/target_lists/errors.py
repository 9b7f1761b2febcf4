"""What a target account list refuses."""

from segmentation.errors import ConflictError


class MembershipConflictError(ConflictError):
    """What is on the list leaves no room for the change."""

    code = "membership_conflict"


class QuotaExceededError(ConflictError):
    """The sales team, or the rep, has no place left."""

    code = "quota_exceeded"
