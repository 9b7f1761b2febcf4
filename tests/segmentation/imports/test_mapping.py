import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from segmentation.imports.applying import Applier
from segmentation.imports.csv_files import Block
from segmentation.imports.errors import FileFaultError, MappingFaultError
from segmentation.imports.fields import Field, Number, Text
from segmentation.imports.mapping import parse_mapping, read_mapping_file, suggest_columns, used_columns, with_header

FIELDS = (
    Field("external_id", "external id", Text(), synonyms=("id", "客户编号")),
    Field("name", "account name", Text(), synonyms=("company", "客户名称")),
    Field("revenue", "annual revenue", Number(), synonyms=("sales",)),
    Field("stage", "stage", Text()),
    Field("sequence", "sequence", Text()),
)


def parse(**spec):
    return parse_mapping(spec, "accounts", FIELDS)


def block(**columns):
    count = len(next(iter(columns.values())))
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return Block(arrays, np.arange(count), np.arange(2, count + 2))


def records(mapping, part):
    """What a mapping makes of a block: (row, {field: text}) each."""
    applier = Applier(with_header(mapping, tuple(part.columns), FIELDS))
    batch = applier.apply(part)
    columns = {name: values.to_pylist() for name, values in batch.columns.items()}
    made = [(row, {name: values[n] for name, values in columns.items()}) for n, row in enumerate(batch.rows.tolist())]
    return made, applier


def test_columns_are_found_by_name_label_and_synonym_whatever_the_spelling():
    header = ("External-ID", "客户名称", "Annual Revenue", "other")
    assert suggest_columns(header, FIELDS) == {
        "external_id": "External-ID",
        "name": "客户名称",
        "revenue": "Annual Revenue",
    }


def test_the_name_of_a_field_counts_before_synonyms_and_a_column_is_used_once():
    assert suggest_columns(("company", "name", "id"), FIELDS) == {"name": "name", "external_id": "id"}


def test_without_columns_the_headings_decide():
    assert {name: rule.column for name, rule in with_header(parse(), ("ID", "Company"), FIELDS).columns.items()} == {
        "external_id": "ID",
        "name": "Company",
    }


def test_values_are_replaced_and_counted_and_unlisted_ones_reported():
    mapping = parse(columns={"name": {"column": "n", "values": {"GTXPro": "GTX Pro"}, "expect": ["GTX Pro", "MG"]}})
    made, applier = records(mapping, block(n=["GTXPro", " GTXPro ", "MG", "XX", "", "GTX Pro"]))
    assert [record["name"] for _row, record in made] == ["GTX Pro", "GTX Pro", "MG", "XX", "", "GTX Pro"]
    assert [(item.old, item.new, item.rows) for item in applier.replaced()] == [("GTXPro", "GTX Pro", 2)]
    assert [(item.old, item.new, item.rows) for item in applier.unexpected()] == [("XX", None, 1)]


def test_scale_default_constant_and_strip():
    mapping = parse(
        columns={
            "revenue": {"column": "r", "scale": 1000000},
            "name": {"column": "n", "default": "none"},
            "stage": {"constant": "Won"},
            "external_id": {"column": "n", "strip": False},
        }
    )
    made, _applier = records(mapping, block(r=["1.5", "", "x"], n=[" a ", " ", "b"]))
    assert made == [
        (0, {"revenue": "1500000.0", "name": "a", "stage": "Won", "external_id": " a "}),
        (1, {"revenue": "", "name": "none", "stage": "Won", "external_id": " "}),
        (2, {"revenue": "x", "name": "b", "stage": "Won", "external_id": "b"}),
    ]
    assert mapping.columns["revenue"].scale == Decimal(1000000)


def test_one_row_becomes_several_records_that_stay_together():
    mapping = parse(
        columns={"external_id": "id"},
        expand=[
            {"only_if": {"s": ["Won", "Lost"]}, "skip_if_empty": ["d"], "columns": {"stage": {"constant": "Open"}}},
            {"only_if": {"s": ["Won", "Lost"]}, "columns": {"stage": "s"}},
        ],
    )
    made, applier = records(mapping, block(id=["1", "2", "3"], s=["Won", "New", "Lost"], d=["2024-01-01", "", ""]))
    assert made == [
        (0, {"external_id": "1", "stage": "Open", "sequence": "0"}),
        (0, {"external_id": "1", "stage": "Won", "sequence": "1"}),
        (2, {"external_id": "3", "stage": "Lost", "sequence": "1"}),
    ]
    assert (applier.left_out, applier.left_out_lines) == (1, [3])


def test_columns_used_by_conditions_count_as_used():
    mapping = parse(columns={"name": "a"}, expand=[{"only_if": {"b": ["x"]}, "skip_if_empty": ["c"]}])
    assert used_columns(with_header(mapping, ("a", "b", "c", "d"), FIELDS)) == {"a", "b", "c"}


def test_a_column_that_is_not_in_the_file_is_named_with_the_one_meant():
    with pytest.raises(FileFaultError, match="Did you mean “company”") as caught:
        with_header(parse(columns={"name": "compani"}), ("company", "x"), FIELDS)
    assert caught.value.code == "missing_column"


@pytest.mark.parametrize(
    ("spec", "place", "hint"),
    [
        ({"colums": {}}, "colums", "columns"),
        ({"columns": {"nmae": "x"}}, "columns.nmae", "name"),
        ({"columns": {"name": {"column": "x", "scal": 1}}}, "columns.name.scal", "scale"),
        ({"columns": {"name": {"values": {}}}}, "columns.name", "column"),
        ({"columns": {"name": {"column": "x", "scale": "many"}}}, "columns.name.scale", "1000000"),
        ({"columns": {"name": {"column": "x", "scale": 0}}}, "columns.name.scale", "positive"),
        ({"columns": {"name": {"column": "x", "strip": "yes"}}}, "columns.name.strip", "true"),
        ({"columns": {"name": 7}}, "columns.name", "object"),
        ({"columns": ["name"]}, "columns", "object"),
        ({"columns": {"custom.size": "x"}}, "columns.custom.size", "custom_fields"),
        ({"expand": {"columns": {}}}, "expand", "list"),
        ({"expand": [{"onlyif": {}}]}, "expand.0.onlyif", "only_if"),
        ({"time_zone": "Asia/Shanghia"}, "time_zone", "Asia/Shanghai"),
        ({"source_system": "my crm"}, "source_system", "letters"),
        ({"custom_fields": {"size": {"type": "nummer"}}}, "custom_fields.size.type", "number"),
        ({"custom_fields": {"größe": "text"}}, "custom_fields.größe", "letters"),
        ({"target": "contacts"}, "target", "accounts"),
        ({"date_format": {"nmae": "%Y"}}, "date_format.nmae", "name"),
        ({"date_format": "dd.mm.yyyy"}, "date_format", "%d.%m.%Y"),
        ({"date_format": {"name": "%d.%m.%E"}}, "date_format.name", "%d.%m.%Y"),
        ({"columns": {"name": {"column": "x", "date_format": "%H:%M"}}}, "columns.name.date_format", "%d.%m.%Y"),
    ],
)
def test_mistakes_in_a_mapping_are_refused_with_their_place_and_a_hint(spec, place, hint):
    with pytest.raises(MappingFaultError) as caught:
        parse_mapping(spec, "accounts", FIELDS)
    assert caught.value.field == place
    assert hint in str(caught.value)


def test_a_mapping_file_that_is_no_json_is_refused(tmp_path):
    path = tmp_path / "mapping.json"
    path.write_text("{columns", encoding="utf-8")
    with pytest.raises(MappingFaultError, match=r"mapping\.json"):
        read_mapping_file(path)
    path.write_text(json.dumps([1]), encoding="utf-8")
    with pytest.raises(MappingFaultError, match="object"):
        read_mapping_file(path)


@pytest.mark.parametrize(
    ("spec", "field", "code"),
    [
        ({"time_zone": "UTC\x00"}, "time_zone", "bad_character"),
        ({"columns": {"name": {"constant": "a\x00"}}}, "columns.name.constant", "bad_character"),
        ({"columns": {"name": {"column": "n", "values": {"a": "\ud800"}}}}, "columns.name.values.a", "bad_character"),
        ({"ignore": ["a", "b\udfff"]}, "ignore.1", "bad_character"),
        ({"crm_stages": {"a\x00": "won"}}, "crm_stages", "bad_character"),
        ({"comment": [{"a": float("nan")}]}, "comment.0.a", "not_finite"),
        ({"columns": {"revenue": {"column": "r", "scale": float("inf")}}}, "columns.revenue.scale", "not_finite"),
    ],
)
def test_what_no_database_keeps_is_refused_with_its_place(spec, field, code):
    with pytest.raises(MappingFaultError) as caught:
        parse(**spec)
    assert (caught.value.field, caught.value.code) == (field, code)
    assert caught.value.remedy
    json.dumps(caught.value.as_dict(), ensure_ascii=False, allow_nan=False).encode()  # can be shown and stored
    assert "\x00" not in str(caught.value)


def test_a_mapping_file_nested_beyond_all_measure_is_no_json(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(MappingFaultError, match="is no JSON"):
        read_mapping_file(path)
