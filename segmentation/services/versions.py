"""What drafts of journeys and of profiles have in common when they are written."""

from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _

from segmentation.errors import ConflictError
from segmentation.models.versions import DraftedVersion

Version = TypeVar("Version", bound=DraftedVersion)


def locked_version(version: Version, of: str) -> Version:
    """Return a version as it is now, locked with what it is a version of (the foreign key `of`).

    Raises ConflictError when somebody discarded it meanwhile.
    """
    rows: Any = type(version)._default_manager
    found: Version | None = rows.select_for_update().select_related(of).filter(pk=version.pk).first()
    if found is None:
        raise ConflictError(
            _("%(value)s was discarded meanwhile."),
            code="version_gone",
            field="version",
            value=str(version),
            remedy=_("Look at the versions that are there, and make a new draft if you need one."),
        )
    return found
