"""Questions before a batch: what they ask, and list actions that change only by the POST that answers them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from segmentation.admin.access import narrow_choices
from segmentation.admin.base import admin_url
from segmentation.errors import ProblemError
from segmentation.models import ListMembership, MembershipReason


class NoteForm(BaseDialogForm):
    """Why, in a person's words."""

    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=ListMembership._meta.get_field("note").max_length,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Shown wherever somebody asks why."),
    )


def reason_field(use: str) -> forms.ModelChoiceField:
    """Return the choice of the active reasons that fit a decision."""
    return forms.ModelChoiceField(
        label=_("Reason"),
        queryset=MembershipReason.objects.filter(Q(use=use) | Q(use=""), active=True),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Choose one, write a note, or both."),
    )


def why_form(use: str) -> type[NoteForm]:
    """Return the form that asks for a reason to do this and a note."""
    return type("WhyForm", (NoteForm,), {"reason": reason_field(use), "field_order": ["reason", "note"]})


def changed_text(number: int) -> str:
    """Say how many accounts were changed."""
    return ngettext("%(number)d account is changed.", "%(number)d accounts are changed.", number) % {"number": number}


class AskingMixin:
    """List actions that ask on a page of their own and change only by the POST that answers it."""

    def ask_and_do(
        self,
        request: HttpRequest,
        chosen: Any,
        form_class: type[forms.Form],
        verb: Callable[[dict[str, Any]], list[Any]],
        said: Callable[[int], str] = changed_text,
        done_url: str = "",
        **texts: Any,
    ) -> HttpResponse:
        """Show the question; once it is answered call the verb with the answers and tell how much it changed.

        Args:
            chosen: the objects, named on the page; their keys are posted again with the answer.
            form_class: what is asked.
            verb: takes the answers by name, returns what it changed; a ProblemError is shown.
            said: the message for a number of changed rows.
            done_url: where it goes on once it is answered (default: the page itself).
            texts: title, description and submit_text of the page; action, where the page does not post to a list;
                list_url, where "Cancel" leads (default: the list of the model).
        """
        answered = "_form_submitted" in request.POST
        form = form_class(data=request.POST if answered else None, request=request)  # type: ignore[call-arg]
        narrow_choices(form, request.user)
        if not answered or not form.is_valid():
            context = {
                **self.admin_site.each_context(request),  # type: ignore[attr-defined]
                "opts": self.model._meta,  # type: ignore[attr-defined]
                "accounts": chosen,
                "form": form,
                "media": self.media,  # type: ignore[attr-defined]
                "checkbox_name": ACTION_CHECKBOX_NAME,
                "action": request.POST.get("action", ""),
                **texts,
            }
            return TemplateResponse(request, "admin/segmentation/account/ask_action.html", context)
        try:
            rows = verb({name: form.cleaned_data[name] for name in form_class.declared_fields if name[0] != "_"})  # type: ignore[attr-defined]
        except ProblemError as problem:
            messages.error(request, str(problem))
        else:
            messages.success(request, said(len(rows)))
        return HttpResponseRedirect(done_url or request.get_full_path())


def leave_dialog(name: str, *args: Any) -> HttpResponse:
    """Answer a dialog that is done: the browser goes on to a page of the admin."""
    return HttpResponse(headers={"HX-Redirect": admin_url(name, *args) or ""})


def whole_page(act: Any) -> Any:
    """Let a dialog of an object's page that is opened by its address be a page too, not a fragment without style.

    Goes outside Unfold's `@action(dialog=...)`, whose dialogs expect to be fetched by the page they lie on.
    """

    @wraps(act)
    def shown(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = act(self, request, *args, **kwargs)
        if "HX-Request" in request.headers:
            return answer
        if done := answer.headers.get("HX-Redirect"):
            return HttpResponseRedirect(done)
        options = self.model._meta
        return TemplateResponse(
            request,
            "admin/segmentation/account/dialog_page.html",
            {
                **self.admin_site.each_context(request),
                "title": act.short_description,
                "media": self.media,
                "dialog": mark_safe(answer.content.decode()),  # noqa: S308 - rendered by Unfold's template
                "back_url": admin_url(f"{options.app_label}_{options.model_name}_change", kwargs["object_id"]),
            },
        )

    return shown


def asking_action(
    verb: Callable[..., list[Any]],
    *,
    title: Any,
    submit_text: Any,
    description: Any,
    form: type[forms.Form] = NoteForm,
    permission: str = "decide",
    said: Callable[[int], str] = changed_text,
) -> Any:
    """Return a list action of an `AskingMixin`: it asks, then calls `verb(chosen, user=..., **answers)`."""

    @admin.action(description=title, permissions=[permission])
    def act(self: AskingMixin, request: HttpRequest, queryset: Any) -> HttpResponse:
        return self.ask_and_do(
            request,
            queryset,
            form,
            lambda answers: verb(queryset, user=request.user, **answers),
            said,
            title=title,
            submit_text=submit_text,
            description=description,
        )

    return act
