"""How many rows a table has, without counting them."""

from django.db import connection, models


def estimated_rows(model: type[models.Model]) -> int | None:
    """Return about how many rows a table has, from the planner's statistics; None when it was never analysed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [model._meta.db_table])
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] >= 0 else None


def about_rows(model: type[models.Model], *, exact_up_to: int = 10_000) -> int:
    """Return the number of rows: exact while it is small, the planner's estimate above."""
    counted = model._default_manager.order_by().values("pk")[: exact_up_to + 1].count()
    if counted <= exact_up_to:
        return counted
    return max(estimated_rows(model) or 0, counted)
