"""The endpoints of a kind of record: list, retrieve, store one, store many, change, delete."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector
from django.http import HttpResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from segmentation.api.batches import error_items, report_document, store
from segmentation.api.errors import Problem, error_item
from segmentation.api.etags import check_unchanged, etag_of, is_known
from segmentation.api.filters import StrictFilterBackend, check_parameters
from segmentation.api.idempotency import once
from segmentation.api.pagination import KeysetPagination
from segmentation.api.permissions import ModelPermissions
from segmentation.api.serializers import MAX_RECORDS, UpsertSerializer
from segmentation.errors import closest, shorten
from segmentation.imports.mapping import CUSTOM
from segmentation.imports.report import UpsertReport
from segmentation.imports.targets import Target, get_target
from segmentation.models import ImportMapping
from segmentation.selectors.access import is_limited, visible_to

LIST_SECONDS = 10  # a list that takes longer is refused, so that a careless filter cannot hold the database


class StrictViewSet(viewsets.GenericViewSet[Any]):
    """What all endpoints share: rights, lists in pages, and parameters that are known or refused.

    Attributes:
        parameters: query parameters by action, for actions other than list.
        also_needed: rights needed beside those of the model.
        rights: rights by action, where they are not those of the model.
        api_tag, summaries, bodies, answers: what the description of the API says: where it lists the endpoints, and
            by action what one does, takes and answers.
    """

    permission_classes = [ModelPermissions]
    pagination_class: Any = KeysetPagination
    filter_backends = [StrictFilterBackend]
    ordering: ClassVar[tuple[str, ...]] = ("id",)
    parameters: ClassVar[Mapping[str, Sequence[str]]] = {}
    also_needed: ClassVar[tuple[str, ...]] = ()
    rights: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    api_tag: ClassVar[str] = ""
    summaries: ClassVar[Mapping[str, Any]] = {}
    bodies: ClassVar[Mapping[str, Any]] = {}
    answers: ClassVar[Mapping[str, Any]] = {}

    def get_queryset(self) -> Any:
        """Return what this user may see: limited users find nothing of other sales teams, as if it did not exist."""
        return visible_to(super().get_queryset(), getattr(self.request, "user", None))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "chunked" in request.headers.get("Transfer-Encoding", "") and not request.headers.get("Content-Length"):
            # Django reads no further than the announced length: the body would seem empty.
            raise Problem(
                "malformed", _("The body came in chunks. Send it with a Content-Length."), code="length_required"
            )
        if self.action != "metadata":
            check_parameters(request, self.known_parameters())

    def known_parameters(self) -> Sequence[str]:
        """Return the query parameters of the present action."""
        if self.action != "list":
            return self.parameters.get(self.action or "", ())
        filterset = getattr(self, "filterset_class", None)
        paging = getattr(self.pagination_class, "parameters", ())
        return [*(filterset.base_filters if filterset else ()), *paging]


class ListMixin(mixins.ListModelMixin):
    """Lists that give up in time."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with time_limit(LIST_SECONDS):
            return super().list(request, *args, **kwargs)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Let no statement take longer."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])
        yield


class RecordViewSet(ListMixin, StrictViewSet):
    """The endpoints of one kind of record. All that is written goes through `segmentation.services.records`.

    Attributes:
        target: what it is called there.
        record_serializer, upsert_serializer: describe what is taken.
        carried: fields every record needs: a partial change repeats them as they are stored.
        links: fields that an empty value leaves as they are.
    """

    target: ClassVar[str]
    record_serializer: ClassVar[Any]
    upsert_serializer: ClassVar[Any]
    carried: ClassVar[tuple[str, ...]] = ()
    links: ClassVar[tuple[str, ...]] = ()
    lookup_value_regex = r"\d{1,18}"

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if request.method not in SAFE_METHODS and is_limited(request.user):
            # Records are found by external ids, of which one of another team's must look unknown: it cannot be stored.
            raise Problem("permission_denied", _("Users limited to their sales teams cannot store records."))

    @cached_property
    def _target(self) -> Target:
        return get_target(self.target)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        document = self.get_serializer(self.get_object()).data
        etag = etag_of(document)
        if is_known(request, etag):
            return HttpResponse(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        return Response(document, headers={"ETag": etag})

    # Storing one ----------------------------------------------------------------------------------------------------

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        return once(request, lambda: self._create(request))

    def _create(self, request: Request) -> Response:
        record = dict(json_object(request))
        system = _source_system(record.pop("source_system", None))
        key = record.get("external_id")
        if not isinstance(key, str | int) or isinstance(key, bool) or not str(key).strip():
            raise ValidationError(
                {"external_id": [_("Give the id of the record in its source system: it is recognised by it.")]},
                code="required",
            )
        self._refuse_read_only(record, {})
        report = self._store_one(record, system)
        instance = self.find(system, str(key).strip())
        document = self.get_serializer(instance).data
        address = reverse(f"{self.basename}-detail", args=[instance.pk], request=request)
        headers = {"ETag": etag_of(document), "Location": address}
        return Response(document, status.HTTP_201_CREATED if report.inserted else status.HTTP_200_OK, headers=headers)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        return once(request, lambda: self._change(request, whole=True))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        return once(request, lambda: self._change(request, whole=False))

    def _change(self, request: Request, *, whole: bool) -> Response:
        given = dict(json_object(request))
        self._wait_for_imports()
        instance = self._locked()
        shown = self.get_serializer(instance).data
        check_unchanged(request, etag_of(shown))
        system, key = self._key_of(instance, shown, given)
        self._refuse_read_only(given, shown)
        self._refuse_emptied_links(given, shown)
        record = {name: shown[name] for name in self.carried}
        if whole:
            record |= self._emptied(shown)
        record |= given | {"external_id": key}
        self._store_one(record, system)
        document = self.get_serializer(self.get_queryset().get(pk=instance.pk)).data
        return Response(document, headers={"ETag": etag_of(document)})

    def _emptied(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """Return empty values for all that can be written, links apart."""
        names = [field.name for field in self._target.fields if field.name in shown and field.name not in self.links]
        record: dict[str, Any] = {name: None for name in names if name not in self.carried}
        return record | {f"{CUSTOM}{key}": None for key in shown.get("custom") or {}}

    def _store_one(self, record: Mapping[str, Any], system: str) -> UpsertReport:
        report = store(self.target, [record], source_system=system, strict=True)
        if report.bad:
            first = report.errors[0] if report.errors else None
            text = f"{first.field}: {first.message}" if first and first.field else first.message if first else ""
            raise Problem("bad_records", text, code=first.code if first else "", errors=error_items(report.errors))
        return report

    def find(self, system: str, key: str) -> Any:
        """Return the record of an external id."""
        return self.get_queryset().get(source_system=system, external_id=key)

    def _wait_for_imports(self) -> None:
        """Wait for an import of this kind before a row is locked: both would wait for each other, and one fail."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"import {self.target}"])

    def _locked(self) -> Any:
        model: Any = self.get_queryset().model
        model._default_manager.select_for_update(no_key=True).filter(pk=self.kwargs["pk"]).values("pk").first()
        return self.get_object()

    def _key_of(self, instance: Any, shown: Mapping[str, Any], given: dict[str, Any]) -> tuple[str, str]:
        """Return source system and external id of a stored record; one without id takes the given one."""
        system, key = shown["source_system"], shown["external_id"]
        wanted_system, wanted = given.pop("source_system", system), given.pop("external_id", key)
        if key is None and wanted is not None and str(wanted).strip() and not isinstance(wanted, bool | list | dict):
            system, key = _source_system(wanted_system), str(wanted).strip()
            self.give_external_id(instance, system, key)
        elif key is None:
            raise Problem(
                "conflict",
                _("Without external id its change could not be told from a new record. Send an external_id too."),
                code="no_external_id",
                field="external_id",
            )
        elif (str(wanted_system), str(wanted)) != (system, key):
            raise ValidationError(
                {"external_id": [_("The external id names the record; it cannot be changed.")]}, code="read_only"
            )
        return system, key

    def give_external_id(self, instance: Any, system: str, key: str) -> None:
        """Name a record that has no external id yet."""
        field = type(instance)._meta.get_field("external_id")
        field.clean(key, instance)
        type(instance)._default_manager.filter(pk=instance.pk).update(source_system=system, external_id=key)

    def _refuse_read_only(self, given: dict[str, Any], shown: Mapping[str, Any]) -> None:
        """Drop what is shown but cannot be written, if it is as it was; refuse it if somebody tries to change it."""
        writable = {field.name for field in self._target.fields} | ({"custom"} if self._target.custom_of else set())
        known: Any = self.get_serializer()
        for name in [name for name in given if name in known.fields and name not in writable]:
            if name not in shown or given.pop(name) != shown[name]:
                raise ValidationError(
                    {name: [_("This is worked out and cannot be written. Leave it out.")]}, code="read_only"
                )

    def _refuse_emptied_links(self, given: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
        for name in self.links:
            if name in given and given[name] in (None, "") and shown[name] not in (None, ""):
                raise ValidationError(
                    {name: [_("It can be replaced but not emptied here. Empty it in the admin.")]}, code="not_emptied"
                )

    # Storing many ---------------------------------------------------------------------------------------------------

    @action(detail=False, methods=["post"])
    def upsert(self, request: Request) -> Response | HttpResponse:
        """Insert or update up to 1000 records by their external ids."""
        return once(request, lambda: self._upsert(request))

    def _upsert(self, request: Request) -> Response:
        body = json_object(request)
        refuse_unknown_names(body, UpsertSerializer().fields)
        records = body.get("records")
        if isinstance(records, list) and len(records) > MAX_RECORDS:
            raise Problem(
                "too_large",
                _("A request takes at most %(limit)d records, not %(count)d. Send several.")
                % {"limit": MAX_RECORDS, "count": len(records)},
                code="too_many_records",
                field="records",
            )
        envelope = UpsertSerializer(data=body)
        envelope.is_valid(raise_exception=True)
        asked = envelope.validated_data
        report = store(
            self.target,
            body["records"],
            source_system=asked["source_system"],
            spec=_saved_mapping(asked.get("mapping"), self.target),
            dry_run=asked["dry_run"],
            strict=asked["strict"],
        )
        if report.bad and (asked["strict"] or report.bad == report.rows):
            text = _("%(bad)d of %(rows)d records were refused; nothing was stored.") % {
                "bad": report.bad,
                "rows": report.rows,
            }
            raise Problem("bad_records", text, errors=error_items(report.errors, with_index=True))
        return Response(
            report_document(report, request), status.HTTP_207_MULTI_STATUS if report.bad else status.HTTP_200_OK
        )

    # Deleting -------------------------------------------------------------------------------------------------------

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            self._wait_for_imports()
            instance = self._locked()
            check_unchanged(request, etag_of(self.get_serializer(instance).data))
            _check_cascade(request, instance)
            self.remove(instance)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def remove(self, instance: Any) -> None:
        """Delete a record; subclasses know what follows from it."""
        instance.delete()


class FactViewSet(RecordViewSet):
    """The endpoints of facts, whose external id is a part of their source key."""

    def find(self, system: str, key: str) -> Any:
        return self.get_queryset().get(source_key=f"{system}:{key}")

    def give_external_id(self, instance: Any, system: str, key: str) -> None:
        if len(key) > 190:
            raise ValidationError({"external_id": [_("At most 190 characters.")]}, code="max_length")
        type(instance)._default_manager.filter(pk=instance.pk).update(source_key=f"{system}:{key}")


def json_object(request: Request) -> Mapping[str, Any]:
    """Return the body of a request. Raises Problem if it is no object."""
    body = request.data
    if not isinstance(body, Mapping):
        raise Problem("invalid", _("The body must be a JSON object: {…}."), code="not_an_object")
    return body


def _source_system(value: Any) -> str:
    if value in (None, ""):
        return "crm"
    field = UpsertSerializer().fields["source_system"]
    try:
        return str(field.run_validation(value))
    except ValidationError as error:
        raise ValidationError({"source_system": error.detail}) from None


def refuse_unknown_names(body: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise Problem for names in a body that mean nothing, with the ones that were probably meant."""
    errors = []
    for name in body:
        if name not in known:
            guess = closest(name, known)
            text = (
                _("There is no field “%(name)s” here. Did you mean “%(guess)s”?")
                if guess
                else _("There is no field “%(name)s” here. There are: %(known)s.")
            )
            filled = text % {"name": shorten(name), "guess": guess, "known": ", ".join(known)}
            errors.append(error_item(filled, code="unknown_field", field=shorten(name)))
    if errors:
        raise Problem("invalid", errors[0]["detail"], code="unknown_field", errors=errors)


def _saved_mapping(key: str | None, target: str) -> dict[str, Any] | None:
    if not key:
        return None
    known = dict(ImportMapping.objects.filter(target=target).values_list("key", "spec"))
    if key not in known:
        guess = closest(key, known)
        text = (
            _("There is no such import mapping. Did you mean “%(guess)s”?")
            if guess
            else _("There is no such import mapping. There are: %(known)s.")
        )
        raise ValidationError(
            {"mapping": [text % {"guess": guess, "known": ", ".join(known) or "–"}]}, code="unknown_mapping"
        )
    return dict(known[key])


def _check_cascade(request: Request, instance: Model) -> None:
    """What goes with a record needs the right to delete it too, as in the admin."""
    collector = Collector(using="default", origin=instance)
    collector.collect([instance])
    models = {*collector.data, *(rows.model for rows in collector.fast_deletes if isinstance(rows, QuerySet))}
    needed = sorted(
        f"{model._meta.app_label}.delete_{model._meta.model_name}" for model in models if not model._meta.auto_created
    )
    missing = [right for right in needed if not request.user.has_perm(right)]
    if missing:
        raise Problem(
            "permission_denied",
            _("With it other records would be deleted; you need the right %(rights)s.")
            % {"rights": ", ".join(missing)},
            code="cascade",
        )
