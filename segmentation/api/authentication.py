"""Who is asking: tokens that are hashed, expire, and of which a user may have several.

The settings of the API name these classes, so no view is imported here.
"""

import re
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.authentication import BasicAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,200}")


class TokenAuthentication(KnoxTokenAuthentication):
    """Knox's tokens; what cannot be a token is refused before it is looked up.

    A user's other tokens are looked at only when an expired one is used, and not with every request.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        if not TOKEN.fullmatch(token):
            raise AuthenticationFailed(_("The token is not valid."))
        found: tuple[Any, Any] = super().authenticate_credentials(token)
        return found

    def _cleanup_token(self, auth_token: Any) -> bool:
        expired = auth_token.expiry is not None and auth_token.expiry < timezone.now()
        return expired and bool(super()._cleanup_token(auth_token))


class PasswordAuthentication(BasicAuthentication):
    """User name and password of HTTP, only to get a token."""

    def authenticate_credentials(self, userid: str, password: str, request: Request | None = None) -> tuple[Any, Any]:
        if "\x00" in userid + password:
            raise AuthenticationFailed(_("User name or password is wrong."))
        found: tuple[Any, Any] = super().authenticate_credentials(userid, password, request)
        return found
