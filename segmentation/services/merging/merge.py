"""Making two accounts one."""

from collections.abc import Iterable
from typing import Any

import pghistory
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError, NotFoundError
from segmentation.imports.targets import targets
from segmentation.models import Account, AccountMerge, DuplicateCandidate, MergedRows
from segmentation.selectors.hierarchy import ancestors
from segmentation.services.columns import checked_note
from segmentation.services.merging.errors import MergeConflictError
from segmentation.services.merging.fields import checked_take, merged_fields
from segmentation.services.merging.relations import Merging, SetAside, relations, tell_changed
from segmentation.services.users import Actor, author


@transaction.atomic
def merge_accounts(
    *, survivor: Account, absorbed: Account, take: Iterable[str] = (), note: str = "", user: Actor = None
) -> AccountMerge:
    """Make two accounts one. The survivor has the facts of both as if they had always been its own.

    Fields stay the survivor's, but for those in `take`; names, domains and products are those of both. Of states at one
    time the active one counts. Imports that name the merged account reach the survivor from now on. Both are replayed.

    Args:
        survivor: the account that stays.
        absorbed: the account whose facts it gets, and which is no more afterwards.
        take: fields whose value is to be the merged account's, such as `industry` or `custom.segment`.
        note: why, in a person's words.
        user: who decided it.

    Returns:
        The merge, which `undo_merge` can undo.

    Raises:
        InvalidValueError: both are the same account, a field of `take` or the note cannot be used.
        NotFoundError: one of them does not exist any more.
        MergeConflictError: one is a parent of the other. Nothing was changed.
    """
    note = checked_note(AccountMerge, note)
    refuse_same(survivor, absorbed)
    wait_for_imports()
    locked = _locked(survivor, absorbed)
    survivor, absorbed = locked[survivor.pk], locked[absorbed.pk]
    _refuse_family(survivor, absorbed)
    taken = checked_take(take, absorbed)
    pair = sorted([survivor.pk, absorbed.pk])
    candidate = DuplicateCandidate.objects.filter(first=pair[0], second=pair[1]).first()
    with pghistory.context(user=getattr(author(user), "pk", None), merge=absorbed.name, source="merge"):
        merge = AccountMerge.objects.create(
            account=survivor,
            survivor_key=survivor.pk,
            survivor_name=survivor.name,
            absorbed_key=absorbed.pk,
            name=absorbed.name,
            domain=absorbed.domain,
            source_system=absorbed.source_system,
            external_id=absorbed.external_id,
            taken=taken,
            note=note,
            reasons=candidate.reasons if candidate else [],
            absorbed_row={},
            merged_at=timezone.now(),
            merged_by=author(user),
        )
        merging = Merging(merge, survivor.pk, absorbed.pk, user)
        _note_rows(merge, "before")
        _move_facts(merging)
        _delete(absorbed.pk)
        values = merged_fields(survivor, absorbed, taken)
        Account.objects.filter(pk=survivor.pk).update(**values, updated_at=merge.merged_at)
        _note_rows(merge, "after")
    merge.refresh_from_db()
    transaction.on_commit(lambda: tell_changed([survivor.pk]), robust=True)
    return merge


def wait_for_imports() -> None:
    """Wait for imports under way: what they have looked up must still be there when they write."""
    with connection.cursor() as cursor:
        for key in sorted(targets()):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"import {key}"])


def _locked(survivor: Account, absorbed: Account) -> dict[int, Account]:
    rows = Account.objects.select_for_update().filter(pk__in=[survivor.pk, absorbed.pk]).order_by("pk")
    locked = {row.pk: row for row in rows}
    for account, field in ((survivor, "survivor"), (absorbed, "absorbed")):
        if account.pk not in locked:
            raise NotFoundError(
                _("The account “%(value)s” does not exist any more."),
                code="account_gone",
                field=field,
                value=str(account),
                remedy=_("Look for it again: somebody may have merged or deleted it."),
            )
    return locked


def refuse_same(one: Account, other: Account, field: str = "absorbed") -> None:
    """Raise InvalidValueError where both are the same account."""
    if one.pk == other.pk:
        raise InvalidValueError(
            _("%(value)s cannot be merged with itself."),
            code="merge_with_itself",
            field=field,
            value=str(other),
            remedy=_("Choose two accounts."),
        )


def _refuse_family(survivor: Account, absorbed: Account) -> None:
    for child, parent in ((survivor, absorbed), (absorbed, survivor)):
        if parent.pk in ancestors(child.pk):
            raise MergeConflictError(
                _("%(parent)s is a parent company of %(value)s: they are two companies."),
                code="merge_with_parent",
                field="absorbed",
                value=str(child),
                remedy=_("If they are one nevertheless, first empty the parent company of %(value)s."),
                params={"parent": str(parent)},
            )


def _note_rows(merge: AccountMerge, column: str) -> None:
    """Keep the survivor's row, and at first the merged account's, as the database has them."""
    row = "(SELECT to_jsonb(a) FROM segmentation_account a WHERE a.id = m.{})"
    also = f", absorbed_row = {row.format('absorbed_key')}" if column == "before" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE segmentation_accountmerge m SET "{column}" = {row.format("survivor_key")}{also} WHERE m.id = %s',
            [merge.pk],
        )


def _move_facts(merging: Merging) -> None:
    # The merge itself points to the survivor: it is no fact of the merged account.
    todo: list[tuple[Any, Any, MergedRows]] = [
        (relation, treatment, MergedRows.objects.create(merge=merging.merge, relation=relation.name))
        for relation, treatment in relations()
    ]
    for relation, treatment, rows in todo:
        treatment.begin(relation, merging, rows)
    for relation, treatment, rows in todo:
        treatment.change(relation, merging, rows)
    counts = {}
    for relation, treatment, rows in todo:
        treatment.end(relation, merging, rows)
        if rows.moved:
            counts[relation.name] = len(rows.moved)
    for relation, treatment, rows in todo:
        if isinstance(treatment, SetAside):  # kept with the merge, and no fact of the survivor
            continue
        rows.refresh_from_db(fields=["before"])
        own = [row for row in rows.before or [] if row[relation.column] == merging.absorbed]
        if own:
            counts[relation.name] = len(own)
    AccountMerge.objects.filter(pk=merging.merge.pk).update(counts=counts)


def _delete(account: int) -> None:
    """Delete the row and nothing else: what refers to it was moved, and the database checks that at the end."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM segmentation_account WHERE id = %s", [account])


__all__ = ["merge_accounts", "wait_for_imports"]
