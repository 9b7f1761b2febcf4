"""How the rights of people are read."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db import connection

_RIGHTS = """
    SELECT app_label || '.' || codename
    FROM auth_permission JOIN django_content_type ON django_content_type.id = content_type_id
    WHERE auth_permission.id IN (
        SELECT permission_id FROM auth_user_user_permissions WHERE user_id = %(user)s
        UNION ALL
        SELECT permission_id FROM auth_group_permissions JOIN auth_user_groups USING (group_id)
        WHERE user_id = %(user)s
    )
"""


class RightsBackend(ModelBackend):
    """Django's own, with all rights of a person read at once: every request of the API asks for them.

    Django reads those of the person, then those of the groups, and builds both statements anew each time.
    """

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if obj is None and user_obj.is_active and not user_obj.is_anonymous and not user_obj.is_superuser:
            if not hasattr(user_obj, "_perm_cache"):
                with connection.cursor() as cursor:
                    cursor.execute(_RIGHTS, {"user": user_obj.pk})
                    user_obj._perm_cache = {name for (name,) in cursor}
            found: set[str] = user_obj._perm_cache
            return found
        return super().get_all_permissions(user_obj, obj)
