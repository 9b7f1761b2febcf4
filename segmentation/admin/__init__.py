"""The admin pages of accounts, contacts, settings and background work, and those of other packages."""

from importlib.util import find_spec

from segmentation.admin import accounts, configuration, flags, jobs, third_party

__all__ = ["accounts", "configuration", "flags", "jobs", "third_party"]

if find_spec("segmentation.admin.imports"):
    from segmentation.admin import imports  # noqa: F401
