"""The change feed: which accounts have facts that changed, written by the database in the transaction of the change.

Everything derived (the fact cache, stage histories) keeps the database snapshot it was made from. What changed since is
every row of `FactTouch` whose transaction that snapshot could not see: late commits, bulk loads, corrections and
deletions included, whatever code or tool made them.
"""

import pgtrigger
from django.db import models
from django.db.models import Func
from django.utils.translation import gettext_lazy as _


class TransactionIdField(models.Field):
    """A PostgreSQL transaction number (xid8), filled by the database."""

    def db_type(self, connection):
        return "xid8"


class FactTouch(models.Model):
    """Facts of these were added, corrected or removed. All four empty: a setting changed, so everything is affected."""

    account_id = models.BigIntegerField(null=True)
    contact_id = models.BigIntegerField(null=True)
    opportunity_id = models.BigIntegerField(null=True)
    txid = TransactionIdField(db_default=Func(function="pg_current_xact_id"), editable=False)

    class Meta:
        verbose_name = _("touched facts")
        verbose_name_plural = _("touched facts")
        # "What changed since this snapshot" reads the newest transactions only.
        indexes = [models.Index(fields=["txid"], name="facttouch_txid")]


class FeedState(models.Model):
    """Up to where the change feed was shortened. What was made from an older snapshot must be made anew."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    pruned_before = TransactionIdField()

    class Meta:
        verbose_name = _("state of the change feed")
        verbose_name_plural = _("state of the change feed")


_INSERT = "INSERT INTO segmentation_facttouch (account_id, contact_id, opportunity_id)"


def touch_triggers(name: str, account: str = "NULL", contact: str = "NULL", opportunity: str = "NULL", join: str = ""):
    """Statement triggers that note in `FactTouch` whose facts a statement changed.

    Parameters: SQL expressions over the changed row `r` for the three ids, and an optional join.
    """

    def trigger(operation, suffix, tables):
        body = " UNION ".join(
            f"SELECT {account}::bigint, {contact}::bigint, {opportunity}::bigint FROM {table} r {join}"
            for table in tables
        )
        if len(tables) == 1:
            body = body.replace("SELECT ", "SELECT DISTINCT ", 1)
        referencing = {"new_rows": {"new": "new_rows"}, "old_rows": {"old": "old_rows"}}
        kwargs = {}
        for table in tables:
            kwargs |= referencing[table]
        return pgtrigger.Trigger(
            name=f"{name}_{suffix}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=pgtrigger.Referencing(**kwargs),
            func=f"{_INSERT} {body}; RETURN NULL;",
        )

    return [
        trigger(pgtrigger.Insert, "touch_insert", ["new_rows"]),
        trigger(pgtrigger.Update, "touch_update", ["new_rows", "old_rows"]),
        trigger(pgtrigger.Delete, "touch_delete", ["old_rows"]),
    ]


def touch_everything_triggers(name: str):
    """Statement triggers for settings: whatever changes, every derived figure may change."""
    return [
        pgtrigger.Trigger(
            name=f"{name}_touch_all",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
            func=f"{_INSERT} VALUES (NULL, NULL, NULL); RETURN NULL;",
        )
    ]


def no_circle_trigger():
    """A trigger that refuses a company among its own parents, whatever code or tool would make it so."""
    return pgtrigger.Trigger(
        name="account_no_circle",
        level=pgtrigger.Row,
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.UpdateOf("parent_id"),
        condition=pgtrigger.Q(new__parent_id__isnull=False),
        declare=[("place", "bigint"), ("steps", "integer")],
        func="""
            PERFORM pg_advisory_xact_lock(hashtext('parents of accounts'));
            place := NEW.parent_id; steps := 0;
            WHILE place IS NOT NULL LOOP
                steps := steps + 1;
                IF place = NEW.id OR steps > 1000 THEN
                    RAISE EXCEPTION 'An account cannot be among its own parents: %', NEW.id
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'account_no_circle';
                END IF;
                SELECT parent_id INTO place FROM segmentation_account WHERE id = place;
            END LOOP;
            RETURN NULL;
        """,
    )
