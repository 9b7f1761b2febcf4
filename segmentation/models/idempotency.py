"""Answers kept for requests that may be sent twice."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    """A key a client sent with a request, and the answer.

    Stored in the transaction of the work, so both are there or neither.
    """

    key = models.CharField(_("key"), max_length=200)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="+")
    request_hash = models.CharField(_("checksum of the request"), max_length=64)
    status = models.PositiveSmallIntegerField(_("status of the answer"), null=True)
    body = models.TextField(_("answer"), default="")
    headers = models.JSONField(_("headers of the answer"), default=dict)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotencykey_once_per_user")]
        indexes = [models.Index(fields=["created_at"], name="idempotencykey_created")]  # forgetting the old ones

    def __str__(self):
        return self.key
