"""Who may do what: the rights of Django's models, reading included."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

VIEW, ADD, CHANGE, DELETE = (f"%(app_label)s.{verb}_%(model_name)s" for verb in ("view", "add", "change", "delete"))


class ModelPermissions(DjangoModelPermissions):
    """Reading needs the right to view, storing by external id those to add and to change: it may do either.

    A view may ask for more rights, whatever the method, in `also_needed`.
    """

    perms_map = {
        "GET": [VIEW],
        "HEAD": [VIEW],
        "OPTIONS": [VIEW],
        "POST": [ADD, CHANGE],
        "PUT": [CHANGE],
        "PATCH": [CHANGE],
        "DELETE": [DELETE],
    }

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        needed = [
            *self.get_required_permissions(request.method or "", self._queryset(view).model),
            *getattr(view, "also_needed", ()),
        ]
        missing = [name for name in needed if not request.user.has_perm(name)]
        if missing:
            self.message = _("You need the right %(rights)s.") % {"rights": ", ".join(missing)}
        return not missing
