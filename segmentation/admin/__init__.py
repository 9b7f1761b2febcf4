"""The admin pages of accounts, contacts, settings, imports and background work, and those of other packages."""

from segmentation.admin import accounts, configuration, flags, identity, imports, jobs, target_lists, third_party

__all__ = ["accounts", "configuration", "flags", "identity", "imports", "jobs", "target_lists", "third_party"]
