"""How records are shown, and how the records that are taken are described."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from segmentation.api.texts import help_of
from segmentation.imports import dates
from segmentation.imports import fields as kinds
from segmentation.imports.targets import get_target
from segmentation.models import Account, Contact

MAX_RECORDS = 1000
_SOURCE_KEY = re.compile(r"([^:#]*)(?:([:#])(.*))?", re.DOTALL)

# Shown --------------------------------------------------------------------------------------------------------------


class ShownSerializer(serializers.ModelSerializer[Any]):
    """A record as it is shown; what is taken is checked by the one writer of records."""

    _shared: ClassVar["ShownSerializer"]

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        found = super().get_fields()
        model = self.Meta.model._meta.model_name or ""  # type: ignore[attr-defined]
        for name, field in found.items():
            field.read_only, field.required = True, False
            field.help_text = help_of(model, name) or field.help_text
        return found

    @classmethod
    def shown(cls, rows: Iterable[Any]) -> list[Any]:
        """Return rows as they are shown, where no field depends on the request.

        The fields are made once and not for every answer, which takes longer than to fill them.
        """
        if "_shared" not in cls.__dict__:
            cls._shared = cls()
        return [cls._shared.to_representation(row) for row in rows]


class NameOf(serializers.CharField):
    """A person by the name they sign in with."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_null=True, read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value.get_username()


class KeyOf(serializers.CharField):
    """A row by its key."""

    def __init__(self, **kwargs: Any):
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value.key


class ReferenceSerializer(serializers.Serializer[Any]):
    """A record another one belongs to, in short."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        # Plain values: there are up to three of them in each of 500 rows.
        return {name: getattr(instance, name) for name in self._declared_fields}


class AccountReference(ReferenceSerializer):
    """An account another record belongs to."""

    id = serializers.IntegerField(help_text=_("Primary key."))
    external_id = serializers.CharField(allow_null=True, help_text=_("Id in the source system; null if it has none."))
    name = serializers.CharField(help_text=_("Name of the company."))


class ContactReference(ReferenceSerializer):
    """A person another record belongs to. Name and mail address need the right to view contacts."""

    id = serializers.IntegerField(help_text=_("Primary key."))
    external_id = serializers.CharField(allow_null=True, help_text=_("Id in the source system; null if it has none."))


class FactSerializer(ShownSerializer):
    """A fact: its external id is kept in the source key."""

    external_id = serializers.SerializerMethodField()
    source_system = serializers.SerializerMethodField()

    def get_external_id(self, fact: Any) -> str | None:
        return split_source_key(fact.source_key)[1]

    def get_source_system(self, fact: Any) -> str:
        return split_source_key(fact.source_key)[0]


def split_source_key(source_key: str) -> tuple[str, str | None]:
    """Return the source system and the external id of a fact; no id when its content is its key."""
    found = _SOURCE_KEY.fullmatch(source_key)
    system, sign, rest = found.groups() if found else (source_key, "", "")
    return system, rest if sign == ":" else None


class AccountSerializer(ShownSerializer):
    team = serializers.CharField(source="team.key", default=None, allow_null=True)
    parent = AccountReference(allow_null=True)
    custom = serializers.DictField()

    class Meta:
        model = Account
        fields = [
            "id",
            "source_system",
            "external_id",
            "name",
            "other_names",
            "domain",
            "other_domains",
            "industry",
            "region",
            "country",
            "city",
            "employees",
            "revenue",
            "revenue_currency",
            "tier",
            "relationship",
            "business_unit",
            "source",
            "owner",
            "team",
            "parent",
            "products",
            "custom",
            "created_in_source_at",
            "recorded_at",
            "updated_at",
        ]


class ContactSerializer(ShownSerializer):
    account = AccountReference(allow_null=True)
    email = serializers.CharField()  # as the source has it, right or wrong
    custom = serializers.DictField()

    class Meta:
        model = Contact
        fields = [
            "id",
            "source_system",
            "external_id",
            "account",
            "name",
            "email",
            "phone",
            "job_title",
            "seniority",
            "department",
            "classified_by_hand",
            "buying_role",
            "consent",
            "custom",
            "created_in_source_at",
            "recorded_at",
            "updated_at",
        ]


# Taken --------------------------------------------------------------------------------------------------------------


RECORDS_HELP = _(
    "Up to 1000 records. A field left out stays as it is, an empty one or null is emptied; links to other records stay."
)


class UpsertSerializer(serializers.Serializer[Any]):
    """The batch around the records; the records themselves are read by the one writer."""

    source_system = serializers.SlugField(
        max_length=40, default="", allow_blank=True, help_text=_("Whose external ids these are; “crm” when left out.")
    )
    records = serializers.ListField(allow_empty=False, help_text=RECORDS_HELP)
    dry_run = serializers.BooleanField(default=False, help_text=_("Check and count everything, store nothing."))
    strict = serializers.BooleanField(
        default=False, help_text=_("Store nothing if a record is bad; otherwise the good ones are stored.")
    )
    mapping = serializers.SlugField(
        max_length=60,
        required=False,
        allow_null=True,
        help_text=_("Key of a saved import mapping: its time zone, CRM stages, new types and custom fields are used."),
    )


def record_serializer(target_key: str, example: Mapping[str, Any]) -> type[serializers.Serializer[Any]]:
    """Return a serializer that describes the records of an import target.

    It only describes: `segmentation.services.records` reads them, for files and the API alike.
    """
    target = get_target(target_key)
    model_name = target.model._meta.model_name or ""
    described = {field.name: _described(field, model_name) for field in target.fields}
    if target.custom_of:
        described["custom"] = serializers.DictField(required=False, help_text=help_of(model_name, "custom"))
    made = type(f"{target.model.__name__}RecordSerializer", (serializers.Serializer,), described)
    return extend_schema_serializer(
        examples=[OpenApiExample(str(target.model._meta.verbose_name), value=dict(example), request_only=True)]
    )(made)


def upsert_serializer(
    target_key: str, record: type[serializers.Serializer[Any]], example: Mapping[str, Any]
) -> type[UpsertSerializer]:
    """Return a serializer that describes a batch of such records."""
    name = record.__name__.removesuffix("RecordSerializer")
    made = type(f"{name}UpsertSerializer", (UpsertSerializer,), {"records": record(many=True, help_text=RECORDS_HELP)})
    body = {"source_system": "crm", "records": [dict(example)], "dry_run": False, "strict": False}
    return extend_schema_serializer(examples=[OpenApiExample(target_key, value=body, request_only=True)])(made)


def _described(field: kinds.Field, model_name: str) -> serializers.Field[Any, Any, Any, Any]:
    common: dict[str, Any] = {
        "required": field.required,
        "help_text": help_of(model_name, field.name) or field.help_text or field.label,
    }
    if not field.required:
        common["allow_null"] = True
    kind = field.kind
    match kind:
        case kinds.Number():
            return serializers.DecimalField(
                max_digits=kind.digits + kind.places, decimal_places=kind.places, coerce_to_string=False, **common
            )
        case kinds.Whole():
            return serializers.IntegerField(min_value=kind.minimum, max_value=kind.maximum // kind.factor, **common)
        case dates.Instant():
            return serializers.DateTimeField(**common)
        case dates.Day():
            return serializers.DateField(**common)
        case kinds.Choice():
            return serializers.ChoiceField(choices=kind.choices.choices, **common)
        case kinds.YesNo():
            return serializers.BooleanField(**common)
        case kinds.Many():
            return serializers.ListField(child=serializers.CharField(max_length=kind.limit), **common)
        case kinds.Text() if kind.limit:
            return serializers.CharField(max_length=kind.limit, **common)
    return serializers.CharField(**common)


# Answers -----------------------------------------------------------------------------------------------------------


class ErrorSerializer(serializers.Serializer[Any]):
    """One thing that is wrong."""

    field = serializers.CharField(allow_blank=True, help_text=_("The field or parameter; empty when it is the whole."))
    code = serializers.CharField(help_text=_("A stable word for programs."))
    value = serializers.CharField(allow_blank=True, help_text=_("The value that was refused, shortened."))
    detail = serializers.CharField(help_text=_("What is wrong and what to do."))


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "unknown parameter",
            value={
                "type": "https://journey.example.com/api/v1/problems/invalid/",
                "title": "The request says something that cannot be done",
                "status": 400,
                "code": "unknown_parameter",
                "detail": "There is no parameter “regoin”. Did you mean “region”?",
                "instance": "/api/v1/accounts/",
                "errors": [
                    {
                        "field": "regoin",
                        "code": "unknown_parameter",
                        "value": "DACH",
                        "detail": "There is no parameter “regoin”. Did you mean “region”?",
                    }
                ],
            },
            response_only=True,
        )
    ]
)
class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong (RFC 9457)."""

    type = serializers.CharField(help_text=_("Address that names the kind of problem and describes it."))
    title = serializers.CharField(help_text=_("The kind of problem in words."))
    status = serializers.IntegerField(help_text=_("The HTTP status."))
    code = serializers.CharField(help_text=_("A stable word for programs, finer than the type."))
    detail = serializers.CharField(help_text=_("What is wrong and what to do."))
    instance = serializers.CharField(help_text=_("Path of the request."))
    errors = ErrorSerializer(many=True, help_text=_("Each thing that is wrong; may be empty."))  # type: ignore[assignment]


class RecordProblemSerializer(serializers.Serializer[Any]):
    """Why a record of a batch was refused."""

    index = serializers.IntegerField(help_text=_("Position of the record in the batch, from 0."))
    type = serializers.CharField(help_text=_("Address that names the kind of problem."))
    title = serializers.CharField(help_text=_("The kind of problem in words."))
    status = serializers.IntegerField(help_text=_("The status the record alone would have got."))
    detail = serializers.CharField(help_text=_("What is wrong and what to do."))
    errors = ErrorSerializer(many=True, help_text=_("Each field that is wrong."))  # type: ignore[assignment]


class ReportSerializer(serializers.Serializer[Any]):
    """What became of a batch."""

    stored = serializers.BooleanField(help_text=_("False for a dry run."))
    rows = serializers.IntegerField(help_text=_("Records that were sent."))
    inserted = serializers.IntegerField(help_text=_("New records."))
    updated = serializers.IntegerField(help_text=_("Records that were changed."))
    unchanged = serializers.IntegerField(help_text=_("Records that said what was stored already."))
    duplicates = serializers.IntegerField(help_text=_("Records that are the same as a later one of the batch."))
    bad = serializers.IntegerField(help_text=_("Records that were refused."))
    flagged = serializers.DictField(
        child=serializers.IntegerField(),
        help_text=_("Records that were taken but deserve a look, by reason: late, future, no_account ..."),
    )
    created = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text=_("What was made on the way: teams, CRM stages, activity types."),
    )
    problems = RecordProblemSerializer(many=True, help_text=_("The refused records, by position and field."))
