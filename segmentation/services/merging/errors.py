"""What merging accounts refuses."""

from segmentation.errors import ConflictError


class MergeConflictError(ConflictError):
    """The accounts, or what happened to them since, leave no room for the change."""

    code = "merge_conflict"
