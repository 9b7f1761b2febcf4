"""Taking a merge back."""

import json
from typing import Any

import pghistory
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from segmentation.models import Account, AccountMerge, MergedRows, SalesQuota
from segmentation.selectors.target_lists import places_held
from segmentation.services.merging.errors import MergeConflictError
from segmentation.services.merging.merge import wait_for_imports
from segmentation.services.merging.relations import Merging, put_back, relations, tell_changed
from segmentation.services.users import Actor, author

_OWN = {"updated_at"}  # changed by everything, and by nothing a person would miss


@transaction.atomic
def undo_merge(*, merge: AccountMerge, keep_newer: bool = False, user: Actor = None) -> Account:
    """Make two accounts of one again, exactly as they were. Both are replayed.

    Args:
        merge: the merge to undo.
        keep_newer: facts that came since stay with the survivor; otherwise they forbid the undo, for nobody can say
            whose they are.
        user: who decided it.

    Returns:
        The account that is there again.

    Raises:
        MergeConflictError: it was undone already, a later merge builds on it, or what it changed was changed since;
            says what. Nothing was changed.
    """
    wait_for_imports()
    merge = AccountMerge.objects.select_for_update().get(pk=merge.pk)
    held = _places_held()
    survivor = _survivor(merge)
    merging = Merging(merge, merge.survivor_key, merge.absorbed_key, user)
    stored = {rows.relation: rows for rows in MergedRows.objects.filter(merge=merge)}
    todo = [(relation, how, stored[relation.name]) for relation, how in relations() if relation.name in stored]
    _refuse_taken_id(merge)
    newer = [_t("changed %(field)s") % {"field": name} for name in _changed_fields(merge, survivor)]
    fixed: list[str] = []
    for relation, treatment, rows in todo:
        for text, may_stay in treatment.newer(relation, merging, rows):
            (newer if may_stay else fixed).append(text)
    if fixed or (newer and not keep_newer):
        raise MergeConflictError(
            _("%(value)s has changed since the merge: %(changes)s."),
            code="newer_changes",
            field="merge",
            value=str(survivor),
            remedy=_("Take these changes back first.")
            if fixed
            else _("Take them back first, or let what is newer stay with %(value)s."),
            params={"changes": ", ".join([*fixed, *newer])},
        )
    try:
        with (
            transaction.atomic(),
            pghistory.context(user=getattr(author(user), "pk", None), undo=merge.name, source="merge"),
        ):
            put_back(
                Account,
                "SELECT jsonb_build_array(absorbed_row) FROM segmentation_accountmerge WHERE id = %s",
                [merge.pk],
            )
            _restore_fields(merge, survivor)
            for relation, treatment, rows in todo:
                treatment.undo(relation, merging, rows)
            merge.undone_at, merge.undone_by = timezone.now(), author(user)
            merge.save(update_fields=["undone_at", "undone_by"])
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        raise MergeConflictError(
            _("%(value)s cannot be there again: something that was made since stands in its way."),
            code="newer_changes",
            field="merge",
            value=merge.name,
            remedy=_("The database says: %(reason)s"),
            params={"reason": str(error).strip().splitlines()[0]},
        ) from error
    _refuse_beyond_quota(held)
    transaction.on_commit(lambda: tell_changed([merge.survivor_key, merge.absorbed_key]), robust=True)
    return Account.objects.get(pk=merge.absorbed_key)


def _survivor(merge: AccountMerge) -> Account:
    """Return the survivor, locked, if the merge can be undone at all."""
    if merge.undone_at is not None:
        raise MergeConflictError(
            _("This merge was undone on %(value)s."),
            code="undone_already",
            field="merge",
            value=f"{merge.undone_at:%Y-%m-%d %H:%M}",
            remedy=_("There is nothing to do."),
        )
    later = (
        AccountMerge.objects.filter(undone_at__isnull=True, pk__gt=merge.pk)
        .filter(survivor_key=merge.survivor_key)
        .order_by("-pk")
        .first()
        or AccountMerge.objects.filter(undone_at__isnull=True, absorbed_key=merge.survivor_key).first()
    )
    if later:
        raise MergeConflictError(
            _("A later merge builds on this one: %(value)s."),
            code="later_merge",
            field="merge",
            value=str(later),
            remedy=_("Undo that one first."),
        )
    survivor = Account.objects.select_for_update().filter(pk=merge.survivor_key).first()
    if survivor is None:
        raise MergeConflictError(
            _("The account “%(value)s” was deleted since."),
            code="survivor_gone",
            field="merge",
            value=merge.survivor_name,
            remedy=_("What it held cannot be given back."),
        )
    return survivor


def _refuse_taken_id(merge: AccountMerge) -> None:
    if merge.external_id is None:
        return
    other = Account.objects.filter(source_system=merge.source_system, external_id=merge.external_id).first()
    if other:
        raise MergeConflictError(
            _("The external id “%(value)s” belongs to %(other)s by now."),
            code="external_id_taken",
            field="merge",
            value=merge.external_id,
            remedy=_("Give that account another external id first."),
            params={"other": str(other)},
        )


def _changed_by_merge(merge: AccountMerge) -> list[str]:
    return [column for column, value in merge.after.items() if column not in _OWN and value != merge.before.get(column)]


def _present(survivor: Account) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(a)::text FROM segmentation_account a WHERE a.id = %s", [survivor.pk])
        row: dict[str, Any] = json.loads(cursor.fetchone()[0])
    return row


def _changed_fields(merge: AccountMerge, survivor: Account) -> list[str]:
    """The names of fields the merge set and somebody changed since."""
    now = _present(survivor)
    fields = {field.column: str(field.verbose_name) for field in Account._meta.concrete_fields}
    return [fields[column] for column in _changed_by_merge(merge) if now.get(column) != merge.after.get(column)]


def _restore_fields(merge: AccountMerge, survivor: Account) -> None:
    """Give the survivor back what the merge changed. What was changed since stays, but for what the merge added."""
    now = _present(survivor)
    columns = {field.column for field in Account._meta.concrete_fields}
    changed = [column for column in _changed_by_merge(merge) if column in columns]
    back = [column for column in changed if now[column] == merge.after[column]]
    if now["updated_at"] == merge.after["updated_at"]:
        back.append("updated_at")
    with connection.cursor() as cursor:
        if back:
            sets = ", ".join(f'"{column}" = r."{column}"' for column in back)
            cursor.execute(
                f"UPDATE segmentation_account a SET {sets} FROM segmentation_accountmerge m,"
                " jsonb_populate_record(NULL::segmentation_account, m.before) r WHERE m.id = %s AND a.id = %s",
                [merge.pk, survivor.pk],
            )
    lists = {
        column: [item for item in now[column] if item in merge.before[column] or item not in merge.after[column]]
        for column in changed
        if column not in back and isinstance(now[column], list)
    }
    if lists:
        Account.objects.filter(pk=survivor.pk).update(**lists)


def _places_held() -> list[tuple[SalesQuota, int]]:
    """Every quota with the places that are held, locked until the end: before any account, as everywhere."""
    quotas = SalesQuota.objects.select_for_update(of=("self",)).select_related("team", "rep").order_by("pk")
    return [(quota, places_held(quota.team, quota.rep_id)) for quota in quotas]


def _refuse_beyond_quota(held: list[tuple[SalesQuota, int]]) -> None:
    for quota, before in held:
        now = places_held(quota.team, quota.rep_id)
        if now > max(before, quota.places):
            raise MergeConflictError(
                _("The undo would give %(who)s %(now)d places and it has %(value)s."),
                code="quota_exceeded",
                field="merge",
                value=quota.places,
                remedy=_("Free a place, or give it a larger quota."),
                params={"who": quota.rep if quota.rep_id else quota.team, "now": now},
            )


__all__ = ["undo_merge"]
