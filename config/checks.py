"""Mistakes of a deployment, found by ``manage.py check``. Each has an id and a hint; ids are never reused."""

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.utils.translation import gettext as _


@register(Tags.security, deploy=True)
def check_hosts(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """A host of ``*`` lets anybody forge the links in e-mails."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Caution(
            _("ALLOWED_HOSTS allows every host."),
            hint=_("Name the hosts people use, for example ALLOWED_HOSTS=journey.example.com."),
            id="config.W001",
        )
    ]


@register(Tags.database, deploy=True)
def check_database(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """The embedded database is made for one machine: no replica, no backup, half a second may be lost."""
    if settings.DATABASES["default"]["ENGINE"] != "config.embedded":
        return []
    return [
        Caution(
            _("The embedded PostgreSQL serves this deployment."),
            hint=_("Set DATABASE_URL to a PostgreSQL server with backups."),
            id="config.W002",
        )
    ]


@register(Tags.files)
def check_var_dir(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Everything the project writes goes below VAR_DIR."""
    nearest = settings.VAR_DIR
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if os.access(nearest, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            _("VAR_DIR is %(path)s, where this user may not write.") % {"path": settings.VAR_DIR},
            hint=_("Set VAR_DIR to a directory that belongs to the user who runs the project."),
            id="config.E003",
        )
    ]


@register(Tags.async_support)
def check_queue(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """A task handed out again while it still runs, or tried for ever, is done twice or blocks the rest."""
    queue: dict[str, Any] = settings.Q_CLUSTER
    found: list[CheckMessage] = []
    timeout = queue.get("timeout")
    if not timeout or queue.get("retry", 0) < 2 * timeout:
        found.append(
            Error(
                _("Q_CLUSTER hands a task out again after %(retry)s s although it may run %(timeout)s s.")
                % {"retry": queue.get("retry"), "timeout": timeout},
                hint=_("Set a timeout, and retry to at least twice of it."),
                id="config.E004",
            )
        )
    if not (queue.get("ack_failures") and queue.get("max_attempts")):
        found.append(
            Error(
                _("Q_CLUSTER tries a task that fails for ever."),
                hint=_("Set ack_failures to True and max_attempts to a small number."),
                id="config.E005",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_origins(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Behind a proxy that ends TLS, forms are refused unless Django is told what the proxy does."""
    if settings.SECURE_SSL_REDIRECT and not getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        return [
            Caution(
                _("Every request is sent to https, and BEHIND_TLS_PROXY is not set."),
                hint=_(
                    "Set BEHIND_TLS_PROXY=true if a proxy ends TLS and always sets X-Forwarded-Proto, "
                    "or SECURE=false if there is no TLS."
                ),
                id="config.W006",
            )
        ]
    return []
