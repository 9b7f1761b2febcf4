"""Who may do what: the rights of Django's models, reading included."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

VIEW, ADD, CHANGE, DELETE = (f"%(app_label)s.{verb}_%(model_name)s" for verb in ("view", "add", "change", "delete"))


class ModelPermissions(DjangoModelPermissions):
    """Reading needs the right to view, storing by external id those to add and to change: it may do either.

    A view may ask for more rights, whatever the method, in `also_needed`, and name those of an action in `rights`;
    of rights with a bar between them one is enough.
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
        own = getattr(view, "rights", {}).get(getattr(view, "action", None))
        needed = [
            *(own or self.get_required_permissions(request.method or "", self._queryset(view).model)),
            *getattr(view, "also_needed", ()),
        ]
        missing = [names for names in needed if not any(request.user.has_perm(name) for name in names.split("|"))]
        if missing:
            self.message = _("You need the right %(rights)s.") % {
                "rights": ", ".join(_(" or ").join(names.split("|")) for names in missing)
            }
        return not missing
