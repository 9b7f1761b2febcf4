"""The pages of other packages in the look of this admin, and with the limits this product needs."""

from typing import Any

import django_q.admin  # noqa: F401 - its registrations are replaced below
import knox.admin  # noqa: F401 - the same
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure, OrmQ, Schedule, Success
from knox.models import get_token_model
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectMultipleWidget

from segmentation.admin.base import ProductAdmin, ReadOnlyAdmin
from segmentation.models import SalesTeam
from segmentation.services.roles import INTEGRATION, ROLES

User = get_user_model()
AuthToken = get_token_model()

for model in (User, Group, AuthToken, Success, Failure, OrmQ, Schedule):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class UserForm(UserChangeForm):
    """A user with the sales teams, which are stored with the teams."""

    sales_teams = forms.ModelMultipleChoiceField(
        label=_("Sales teams"),
        queryset=SalesTeam.objects.all(),
        required=False,
        widget=UnfoldAdminSelectMultipleWidget,
        help_text=_("Sales reps see the accounts of these teams, and no others."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "sales_teams" in self.fields:
            self.initial["sales_teams"] = self.instance.sales_teams.all()

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        groups = {group.name for group in cleaned.get("groups") or ()}
        if groups == {INTEGRATION} and cleaned.get("is_staff") and not cleaned.get("is_superuser"):
            self.add_error(
                "is_staff",
                forms.ValidationError(
                    _("“%(role)s” works through the API: switch off the staff status or choose another group too."),
                    code="integration_staff",
                    params={"role": INTEGRATION},
                ),
            )
        return cleaned


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ProductAdmin):
    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_filter = [
        ("is_staff", BooleanRadioFilter),
        ("is_superuser", BooleanRadioFilter),
        ("is_active", BooleanRadioFilter),
        ("groups", RelatedDropdownFilter),
    ]

    readonly_fields = ["teams"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is not None:
            may = self.has_change_permission(request, obj) and request.user.has_perm("segmentation.change_salesteam")
            fieldsets.insert(3, (_("Sales teams"), {"fields": ["sales_teams" if may else "teams"]}))
        return fieldsets

    @display(description=_("sales teams"))
    def teams(self, user: Any) -> str:
        return ", ".join(map(str, user.sales_teams.all())) or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # The right to manage users must not be the right to make oneself a superuser.
        if request.user.is_superuser:
            return super().get_readonly_fields(request, obj)
        return [*super().get_readonly_fields(request, obj), "is_superuser", "groups", "user_permissions"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "sales_teams" in form.cleaned_data:
            form.instance.sales_teams.set(form.cleaned_data["sales_teams"])

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ProductAdmin):
    """Groups. Those of the roles are kept by the product: who needs other rights makes a group of their own."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.name not in ROLES)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.name not in ROLES)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        if kept := [gettext("%(role)s: a role of the product") % {"role": one} for one in objs if one.name in ROLES]:
            return [], {}, set(), kept
        return super().get_deleted_objects(objs, request)


class TokenForm(forms.ModelForm):
    """A new token. Its secret exists only while this form is saved."""

    token = ""

    class Meta:
        model = AuthToken
        fields = ["user", "expiry"]
        help_texts = {
            "user": _("The token may do what this user may do."),
            "expiry": _("Empty: it never expires."),
        }

    def save(self, commit: bool = True) -> Any:
        made, self.token = AuthToken.objects.create(user=self.cleaned_data["user"], expiry=None)
        made.expiry = self.cleaned_data["expiry"]
        return made

    def save_m2m(self) -> None:
        """Nothing to save: a token has no lists."""


@admin.register(AuthToken)
class AuthTokenAdmin(ProductAdmin):
    """Tokens of the API. The secret is shown once; afterwards a token can only be revoked."""

    list_display = ["start", "user", "created", "expiry"]
    list_select_related = ["user"]
    search_fields = ["user__username", "token_key"]
    fields = ["user", "created", "expiry"]
    readonly_fields = ["created"]
    autocomplete_fields = ["user"]

    @display(description=_("token"), ordering="token_key")
    def start(self, token: Any) -> str:
        return f"{token.token_key}…"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if not change:
            kwargs["form"] = TokenForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.fields if obj else ["user", "expiry"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user" and not request.user.is_superuser:
            kwargs["queryset"] = User.objects.filter(pk=request.user.pk or 0)  # nobody gets somebody else's rights
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> Any:
        tokens = super().get_queryset(request)
        return tokens if request.user.is_superuser else tokens.filter(user=request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: TokenForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        messages.warning(
            request,
            gettext("The token is %(token)s – copy it now, it is not kept and cannot be shown again.")
            % {"token": form.token},
        )


@admin.register(Schedule)
class ScheduleAdmin(ProductAdmin):
    """When regular work runs. What runs is written in code: a row could name any function."""

    list_display = ["name", "rhythm", "next_run", "is_on"]
    search_fields = ["name"]
    actions = ["switch_on", "switch_off"]
    readonly_fields = ["name", "func", "is_on"]
    fieldsets = [(None, {"fields": [("name", "func"), ("schedule_type", "minutes"), ("cron", "next_run"), "is_on"]})]

    @display(description=_("rhythm"))
    def rhythm(self, schedule: Schedule) -> str:
        if schedule.schedule_type == Schedule.MINUTES:
            minutes = schedule.minutes or 1
            return ngettext("every minute", "every %(minutes)d minutes", minutes) % {"minutes": minutes}
        return schedule.cron or schedule.get_schedule_type_display()

    @display(description=_("on"), boolean=True)
    def is_on(self, schedule: Schedule) -> bool:
        return schedule.repeats != 0

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description=_("Switch on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: Any) -> None:
        queryset.update(repeats=-1)

    @admin.action(description=_("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: Any) -> None:
        queryset.update(repeats=0)


class TaskAdmin(ReadOnlyAdmin):
    list_display = ["name", "func", "started", "stopped"]
    search_fields = ["name", "func"]
    ordering = ["-stopped"]
    fieldsets = [(None, {"fields": [("name", "func"), ("started", "stopped"), "attempt_count", "result_text"]})]
    readonly_fields = ["result_text"]

    @display(description=_("result"))
    def result_text(self, task: Any) -> str:
        return str(task.result) if task.result is not None else "-"


@admin.register(Success)
class SuccessAdmin(TaskAdmin):
    pass


@admin.register(Failure)
class FailureAdmin(TaskAdmin):
    pass


@admin.register(OrmQ)
class QueueAdmin(ReadOnlyAdmin):
    """What waits for a worker. A task that must not run may be deleted."""

    list_display = ["name", "func", "lock"]
    fields = ["name", "func", "lock"]
    readonly_fields = ["name", "func"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return ProductAdmin.has_delete_permission(self, request, obj)
