"""The endpoints of rows people edit: list, retrieve, make, change; what is written goes through a service."""

from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from segmentation.api.bodies import BodySerializer
from segmentation.api.etags import check_unchanged, etag_of, is_known
from segmentation.api.idempotency import once
from segmentation.api.records import ListMixin, StrictViewSet


class SettingsViewSet(ListMixin, StrictViewSet):
    """Rows of which there are few. Making one needs the right to add, changing one the right to change.

    Attributes:
        body: what is taken; on a change only what is given counts.
        fixed: fields that are given once and do not change.
    """

    body: ClassVar[type[BodySerializer]]
    fixed: ClassVar[tuple[str, ...]] = ()

    def store(self, values: dict[str, Any], instance: Any = None) -> Any:
        """Store what was given by the service that does it; returns the row."""
        raise NotImplementedError

    def remove(self, instance: Any) -> None:
        """Delete a row; subclasses name the service that knows what follows from it."""
        instance.delete()

    def shown(self, instance: Any) -> Any:
        """Return a row as it is shown, read again."""
        return self.get_serializer(self.get_queryset().get(pk=instance.pk)).data

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        document = self.get_serializer(self.get_object()).data
        etag = etag_of(document)
        if is_known(request, etag):
            return HttpResponse(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        return Response(document, headers={"ETag": etag})

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        def work() -> Response:
            instance = self.store(self.body.read(request))
            document = self.shown(instance)
            address = reverse(f"{self.basename}-detail", args=[getattr(instance, self.lookup_field)], request=request)
            return Response(document, status.HTTP_201_CREATED, headers={"ETag": etag_of(document), "Location": address})

        return once(request, work)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        def work() -> Response:
            instance = self._locked()
            shown = self.get_serializer(instance).data
            check_unchanged(request, etag_of(shown))
            given = self.body.read(request, partial=True)
            for name in self.fixed:
                if name in given:
                    self.refuse_change(name, given.pop(name), getattr(instance, name))
            document = self.shown(self.store(given, instance))
            return Response(document, headers={"ETag": etag_of(document)})

        return once(request, work)

    def refuse_change(self, name: str, given: Any, present: Any) -> None:
        """Refuse another value for what does not change."""
        if given != present:
            raise ValidationError({name: [_("It is given once and does not change.")]}, code="read_only")

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            instance = self._locked()
            check_unchanged(request, etag_of(self.get_serializer(instance).data))
            self.remove(instance)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _locked(self) -> Any:
        instance = self.get_object()
        type(instance)._default_manager.select_for_update(no_key=True).get(pk=instance.pk)
        return self.get_object()
