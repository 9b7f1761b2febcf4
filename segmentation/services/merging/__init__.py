"""Making two accounts one and undoing it: the only code that writes merges.

What a merge does to the rows of a table is declared by the app of that table (`on_merge`); every other table that
refers to accounts has its rows moved. So a merge reaches all apps, and this one knows none of them.
"""

from segmentation.services.merging.errors import MergeConflictError
from segmentation.services.merging.merge import merge_accounts
from segmentation.services.merging.relations import (
    Divide,
    Leave,
    Merging,
    Move,
    Rewrite,
    SetAside,
    after_merge,
    on_merge,
)
from segmentation.services.merging.undo import undo_merge

__all__ = [
    "Divide",
    "Leave",
    "MergeConflictError",
    "Merging",
    "Move",
    "Rewrite",
    "SetAside",
    "after_merge",
    "merge_accounts",
    "on_merge",
    "undo_merge",
]
