"""Reading rows into arrays: compiled or not, the same rows; bad queries and bad types are errors."""

import numpy as np
import psycopg
import pytest
from django.db import connection

from segmentation.facts import copying
from segmentation.facts.copying import read_rows, stream_rows

pytestmark = pytest.mark.django_db

QUERY = (
    "SELECT g::int8, (g %% 7)::int4, (g %% 3)::int2,"
    " timestamptz '1999-12-31 23:59:59.999999+00' + g * interval '1 microsecond', g %% 2 = 0"
    " FROM generate_series(1, %s) g"
)
COLUMNS = {"a": "i8", "b": "i4", "c": "i2", "t": "time", "even": "b1"}


@pytest.fixture(params=["compiled", "plain"])
def way(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(copying, "_libpq", lambda: None)
    else:
        assert copying._libpq() is not None, "libpq of psycopg's wheel was not found; the fast way is never used"
    return request.param


@pytest.mark.parametrize("count", [0, 1, 2, 150_000, 300_001])
def test_every_row_arrives_in_order_with_its_values(way, count):
    rows = read_rows(connection, QUERY, COLUMNS, [count])
    number = np.arange(1, count + 1)
    assert (rows["a"] == number).all()
    assert (rows["b"] == number % 7).all()
    assert (rows["c"] == number % 3).all()
    assert (rows["even"] == (number % 2 == 0)).all()
    assert (rows["t"] == 946_684_800_000_000 - 1 + number).all()


def test_a_failing_query_is_an_error_and_leaves_the_connection_usable(way):
    with pytest.raises(psycopg.errors.DivisionByZero), connection.connection.transaction():
        read_rows(connection, "SELECT 1 / (g - 200000) FROM generate_series(1, 300000) g", {"a": "i4"})
    assert read_rows(connection, "SELECT 5", {"a": "i4"})["a"].tolist() == [5]


@pytest.mark.parametrize(
    "query", ["SELECT NULL::int4 FROM generate_series(1, 3)", "SELECT 1::int8", "SELECT 1::int2, 2::int2"]
)
def test_a_null_or_another_type_is_refused(way, query):
    with pytest.raises(ValueError, match="null"):
        read_rows(connection, query, {"a": "i4"})
    assert read_rows(connection, "SELECT 5", {"a": "i4"})["a"].tolist() == [5]


def test_stopping_early_leaves_the_connection_usable(way):
    blocks = stream_rows(connection, QUERY, COLUMNS, [300_000])
    assert len(next(blocks)) > 1000
    blocks.close()
    assert read_rows(connection, "SELECT 5", {"a": "i4"})["a"].tolist() == [5]
