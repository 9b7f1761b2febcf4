"""Words for the flags of an import: rows that were accepted and deserve a look."""

from django.utils.translation import gettext_lazy as _

FLAGS = {
    "close_before_opening": _("closed before it was opened; kept, and counted as closed on the day of the opening"),
    "contact_moved": _("contact moved to another account; earlier activities stay where they were"),
    "duplicate": _("the same record or fact twice; the last one counts"),
    "email_invalid": _("mail address that looks wrong; kept as it is"),
    "expected_close_future": _("expected close still to come; no fact until it happens"),
    "expected_close_past": _("expected close that lies in the past"),
    "future": _("happens in the future; counts from then on"),
    "late": _("older than what was already stored; the history is corrected"),
    "left_out": _("rows of which the mapping makes nothing"),
    "merged_account": _("account that is part of another one by now; its fields stay those of the survivor"),
    "no_account": _("without account, or of an account that is not known yet"),
    "no_contact": _("of a contact that is not known yet"),
    "no_date": _("without date; known from when it was learnt"),
    "out_of_order": _("older than a row further up of the same account or deal"),
    "unexpected_value": _("value that the mapping does not list; kept as it is"),
    "replaced_value": _("value replaced by the mapping"),
    "unknown_account": _("of a company that is no account yet; counts once there is one"),
    "unknown_parent": _("parent company not found; a later import can find it"),
    "unmapped_stage": _("CRM stage without meaning; gives no verdict until somebody maps it"),
}


def flag_text(code: str) -> str:
    """Return what a flag says, in the language of the moment."""
    return str(FLAGS.get(code, code))


OUTCOMES = {
    "added": _("put on the list"),
    "changed": _("changed on the list"),
    "already": _("on the list already as the row says"),
    "ambiguous": _("ambiguous"),
    "not_found": _("not found"),
    "refused": _("refused"),
}


def outcome_text(code: str) -> str:
    """Return what became of a row, in the language of the moment."""
    return str(OUTCOMES.get(code, code))
