"""Reading rows out of PostgreSQL into arrays."""

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from django.db import connection

from segmentation.facts import copying
from segmentation.facts.copying import read_rows, stream_rows

pytestmark = pytest.mark.django_db

MANY = 300_000  # rows for several blocks


@pytest.fixture(params=["compiled", "plain"])
def way(request, monkeypatch):
    """Both ways of reading: the compiled loop over libpq, and psycopg's own where that library is not found."""
    if request.param == "plain":
        monkeypatch.setattr(copying, "_libpq", lambda: None)
    elif copying._libpq() is None:
        pytest.skip("psycopg's libpq was not found")


def still_usable() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


@pytest.mark.usefixtures("way")
def test_every_type_arrives_as_it_was():
    instant = datetime(2025, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
    rows = read_rows(
        connection,
        "SELECT -5::int8, 6::int4, -7::int2, true, %s::timestamptz",
        {"a": "i8", "b": "i4", "c": "i2", "d": "b1", "e": "time"},
        [instant],
    )
    assert rows.tolist() == [(-5, 6, -7, True, round(instant.timestamp() * 1_000_000))]


@pytest.mark.usefixtures("way")
def test_many_rows_come_in_blocks_and_in_order():
    blocks = list(
        stream_rows(
            connection, f"SELECT g::int8, (g % 7)::int4 FROM generate_series(1, {MANY}) g", {"g": "i8", "r": "i4"}
        )
    )
    assert len(blocks) > 1
    together = np.concatenate(blocks)
    assert np.array_equal(together["g"], np.arange(1, MANY + 1))
    assert np.array_equal(together["r"], np.arange(1, MANY + 1) % 7)


@pytest.mark.usefixtures("way")
def test_no_rows_are_an_empty_array():
    rows = read_rows(connection, "SELECT 1::int8 WHERE false", {"a": "i8"})
    assert rows.dtype.names == ("a",)
    assert len(rows) == 0


@pytest.mark.usefixtures("way")
def test_a_reader_that_stops_early_leaves_the_connection_usable():
    blocks = stream_rows(connection, f"SELECT g::int8 FROM generate_series(1, {MANY}) g", {"g": "i8"})
    next(blocks)
    blocks.close()
    assert still_usable()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "value",
    ["CASE WHEN g = 1000 THEN NULL ELSE g END", "CASE WHEN g = 1000 THEN NULL ELSE g::int4 END", "repeat('x', 10000)"],
)
def test_a_null_or_another_type_is_refused_and_the_connection_stays_usable(value):
    with pytest.raises(ValueError, match="null"):
        read_rows(connection, f"SELECT {value} FROM generate_series(1::int8, 2000) g", {"g": "i8"})
    assert still_usable()


@pytest.mark.usefixtures("way")
@pytest.mark.django_db(transaction=True)
def test_a_query_that_fails_on_the_way_raises_its_error():
    with pytest.raises(psycopg.errors.DivisionByZero):
        read_rows(connection, f"SELECT 1 / ({MANY} - g)::int8 FROM generate_series(1, {MANY}) g", {"g": "i8"})
    assert still_usable()
