"""Bodies of requests that do something: read strictly, with what rows are called instead of their primary keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from segmentation.api.records import json_object, refuse_unknown_names
from segmentation.api.serializers import MAX_RECORDS
from segmentation.errors import NotFoundError, shorten
from segmentation.models import ListMembership, MembershipReason, Tier
from segmentation.selectors.target_lists import find_by_key


class BodySerializer(serializers.Serializer[Any]):
    """A body whose every name is known."""

    @classmethod
    def read(cls, request: Request, *, partial: bool = False) -> dict[str, Any]:
        """Return the checked values of the body of a request.

        Args:
            request: whose body is read.
            partial: only what is given counts, nothing is needed and nothing has a default.

        Raises:
            Problem: the body is no object, or has names that mean nothing.
            ValidationError: naming the fields that are wrong.
        """
        body = json_object(request)
        refuse_unknown_names(body, cls._declared_fields)
        found = cls(data=body, partial=partial, context={"request": request})
        found.is_valid(raise_exception=True)
        return dict(found.validated_data)

    def to_internal_value(self, data: Any) -> Any:
        if self.parent is not None and isinstance(data, Mapping):
            for name in data:
                if name not in self.fields:
                    text = _("There is no field “%(name)s” here. There are: %(known)s.")
                    filled = text % {"name": shorten(name), "known": ", ".join(self.fields)}
                    raise serializers.ValidationError({shorten(name): [filled]}, code="unknown_field")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A whole number, and not a text that looks like one."""

    default_error_messages = {"invalid": _("This is no whole number. Send a number, not a text.")}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class YesNo(serializers.BooleanField):
    """true or false, and nothing that looks like it."""

    default_error_messages = {"invalid": _("Send true or false.")}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Words(serializers.CharField):
    """A text, and not a number."""

    default_error_messages = {"invalid": _("This is no text.")}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class KeyField(serializers.CharField):
    """A row named by its key, if the one who asks may see it."""

    def __init__(self, model: type[Model], word: str, **kwargs: Any):
        self.model, self.word = model, word
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        key = super().to_internal_value(data)
        try:
            return find_by_key(self.model, key, self.word, self.context["request"].user)
        except NotFoundError as error:
            raise serializers.ValidationError(str(error), code=error.code) from None

    def to_representation(self, value: Any) -> Any:
        return getattr(value, "key", value)


class UserField(serializers.CharField):
    """A person, by the name they sign in with."""

    def to_internal_value(self, data: Any) -> Any:
        name = super().to_internal_value(data)
        found = get_user_model().objects.filter(username=name, is_active=True).first()
        if found is None:
            raise serializers.ValidationError(
                _("There is no user “%(value)s”. Use the name the person signs in with.") % {"value": name},
                code="unknown_user",
            )
        return found


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class AccountWord(serializers.Field[Any, Any, Any, Any]):
    """What names an account; it is looked up together with the others."""

    def to_internal_value(self, data: Any) -> Any:
        return data


ACCOUNTS_HELP = _(
    "Up to 1000 accounts: the primary key as a number, or a text with the external id, domain or exact name; “id:7” is"
    " the external id 7 and “#7” the primary key 7. What fits several is refused."
)


def accounts_field(**kwargs: Any) -> serializers.ListField:
    """A field for accounts in the words people use."""
    return serializers.ListField(
        child=AccountWord(), allow_empty=False, max_length=MAX_RECORDS, help_text=ACCOUNTS_HELP, **kwargs
    )


def keys_field(help_text: Any) -> serializers.ListField:
    """A field for primary keys."""
    return serializers.ListField(
        child=WholeNumber(min_value=1, max_value=2**63 - 1),
        allow_empty=False,
        max_length=MAX_RECORDS,
        help_text=help_text,
    )


def rows_of(queryset: QuerySet[Any], keys: Sequence[int], field: str) -> list[Any]:
    """Return the rows with these primary keys, in that order.

    Raises:
        NotFoundError: one is not there, or not for the one who asks.
    """
    found = queryset.in_bulk(list(keys))
    for place, key in enumerate(keys):
        if key not in found:
            raise NotFoundError(
                _("There is no %(what)s with the primary key %(value)s."),
                field=f"{field}.{place}",
                value=key,
                remedy=_("Look at the list again."),
                params={"what": queryset.model._meta.verbose_name},
            )
    return [found[key] for key in dict.fromkeys(keys)]


class WhyBody(BodySerializer):
    """Why something is decided."""

    reason = KeyField(
        MembershipReason,
        "reason",
        required=False,
        allow_null=True,
        default=None,
        help_text=_("Key of a reason that fits the decision; it or the note is needed."),
    )
    note = Words(
        required=False,
        default="",
        allow_blank=True,
        max_length=ListMembership._meta.get_field("note").max_length,
        help_text=_("Why, in a person's own words; shown wherever somebody asks why."),
    )


class SinceBody(serializers.Serializer[Any]):
    """From when a decision holds."""

    at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text=_("From when it holds: not in the future, and after the state it ends began. Now when left out."),
    )


class TierField(serializers.ChoiceField):
    """A tier as a number."""

    def __init__(self, **kwargs: Any):
        super().__init__(choices=Tier.choices, allow_null=True, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


__all__ = [
    "BodySerializer", "KeyField", "SinceBody", "TierField", "UserField", "WholeNumber", "WhyBody", "Words", "YesNo",
    "accounts_field", "keys_field", "rows_of",
]  # fmt: skip
