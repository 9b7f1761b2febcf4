"""Getting and ending tokens."""

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from knox import views as knox_views
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api.authentication import PasswordAuthentication, TokenAuthentication
from segmentation.api.errors import Problem


class LoginView(knox_views.LoginView):
    """Make a token."""

    authentication_classes = [PasswordAuthentication, SessionAuthentication]

    @extend_schema(
        operation_id="login",
        tags=["auth"],
        summary=_("Get a token"),
        description=_(
            "Send user name and password by HTTP Basic, or be logged in in the browser. The token is shown this once."
        ),
        request=None,
        responses=inline_serializer(
            "Login",
            {
                "token": serializers.CharField(
                    help_text=_("For the header “Authorization: Token …”. Only its hash is stored.")
                ),
                "expiry": serializers.DateTimeField(help_text=_("Until when it can be used.")),
            },
        ),
    )
    def post(self, request: Request, format: str | None = None) -> Response:  # noqa: A002 - knox calls it so
        answer: Response = super().post(request, format)
        if answer.status_code == status.HTTP_403_FORBIDDEN:
            raise Problem(
                "permission_denied",
                _t("You have as many tokens as allowed. End one with POST auth/logout/, or all with auth/logoutall/."),
                code="too_many_tokens",
            )
        return answer


class LogoutView(knox_views.LogoutView):
    """End the token of the request."""

    authentication_classes = [TokenAuthentication]

    @extend_schema(
        operation_id="logout",
        tags=["auth"],
        summary=_("End this token"),
        request=None,
        responses={204: OpenApiResponse(description=_("The token is gone."))},
    )
    def post(self, request: Request, format: str | None = None) -> Response:  # noqa: A002 - knox calls it so
        answer: Response = super().post(request, format)
        return answer


class LogoutAllView(knox_views.LogoutAllView):
    """End all tokens of the user."""

    authentication_classes = [PasswordAuthentication, TokenAuthentication]

    @extend_schema(
        operation_id="logout_all",
        tags=["auth"],
        summary=_("End all my tokens"),
        description=_("With a token, or with user name and password when none is at hand."),
        request=None,
        responses={204: OpenApiResponse(description=_("All tokens are gone."))},
    )
    def post(self, request: Request, format: str | None = None) -> Response:  # noqa: A002 - knox calls it so
        answer: Response = super().post(request, format)
        return answer
