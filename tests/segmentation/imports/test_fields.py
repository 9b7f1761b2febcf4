from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from segmentation.imports.dates import Day, Instant
from segmentation.imports.faults import Faults, Options, check_text
from segmentation.imports.fields import Choice, Domain, Many, Number, Text, Whole, YesNo
from segmentation.models import Department, Tier

SHANGHAI = ZoneInfo("Asia/Shanghai")


def convert(kind, *texts, zone="UTC", date_format=""):
    """The values a kind makes of texts, and the codes of those it refuses."""
    faults = Faults()
    options = Options(zone=ZoneInfo(zone), date_formats={"": date_format} if date_format else {})
    values = kind.convert("field", pa.array(texts, pa.string()), options, faults).to_pylist()
    codes = [None] * len(texts)
    for mask, fault in faults.found:
        for place in mask.nonzero()[0]:
            codes[place] = fault.code
            values[place] = None
    return values, codes


def test_iso_moments_are_read_with_their_zones():
    values, codes = convert(
        Instant(),
        "2024-03-01",
        "2024-03-01 12:30",
        "2024-03-01T12:30:05.25Z",
        "2024-03-01T12:30:00+08:00",
        "",
        zone="UTC",
    )
    assert codes == [None] * 5
    assert values == [
        datetime(2024, 3, 1, tzinfo=UTC),
        datetime(2024, 3, 1, 12, 30, tzinfo=UTC),
        datetime(2024, 3, 1, 12, 30, 5, 250_000, tzinfo=UTC),
        datetime(2024, 3, 1, 4, 30, tzinfo=UTC),
        None,
    ]


@pytest.mark.parametrize("odd", [[], ["2024/1/5"]], ids=["column at once", "value by value"])
def test_a_moment_without_zone_is_of_the_zone_given(odd):
    values, _codes = convert(Instant(), "2024-03-01 08:00", "2024-07-01", *odd, zone="Asia/Shanghai")
    assert values[:2] == [datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 6, 30, 16, tzinfo=UTC)]


def test_summer_time_is_minded_and_the_hour_that_comes_twice_is_the_first():
    values, _codes = convert(
        Instant(), "2024-01-10 12:00", "2024-07-10 12:00", "2024-10-27 02:30", zone="Europe/Berlin"
    )
    assert values == [
        datetime(2024, 1, 10, 11, tzinfo=UTC),
        datetime(2024, 7, 10, 10, tzinfo=UTC),
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
    ]


@pytest.mark.parametrize("beside", ["2024-03-31 04:30", "31 March"])
def test_an_hour_the_clock_leaves_out_is_read_alike_whatever_stands_beside_it(beside):
    values, _codes = convert(Instant(), "2024-03-31 02:30", beside, zone="Europe/Berlin")
    assert values[0] == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    values, _codes = convert(Instant(), "2018-11-04", zone="America/Sao_Paulo")  # summer time began at midnight
    assert values[0] == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_other_spellings_with_the_year_first_are_read():
    values, codes = convert(
        Instant(), "2024/3/1 9:05", "2024年3月1日", "2024.03.01 10:00", "2024-03-01 09:00 Asia/Shanghai"
    )
    assert codes == [None] * 4
    assert values == [
        datetime(2024, 3, 1, 9, 5, tzinfo=UTC),
        datetime(2024, 3, 1, tzinfo=UTC),
        datetime(2024, 3, 1, 10, tzinfo=UTC),
        datetime(2024, 3, 1, 1, tzinfo=UTC),
    ]


def test_dates_out_of_reach_or_that_do_not_exist_are_refused():
    texts = ["1989-12-31", "1990-01-01", "2199-12-31", "2200-01-01", "2024-02-30", "01/02/2024", "soon", "0001-01-01"]
    _values, codes = convert(Instant(), *texts)
    assert codes == [
        "date_too_early",
        None,
        None,
        "date_too_late",
        "not_a_date",
        "not_a_date",
        "not_a_date",
        "date_too_early",
    ]


def test_the_first_day_of_1990_counts_in_the_zone_given():
    _values, codes = convert(Instant(), "1990-01-01", "1989-12-31 23:59", zone="Asia/Shanghai")
    assert codes == [None, "date_too_early"]


def test_an_unknown_zone_is_refused():
    _values, codes = convert(Instant(), "2024-03-01 09:00 Mars/Phobos", "2024-03-01T09:00:00+25:00")
    assert codes == ["unknown_time_zone", "unknown_time_zone"]


def test_a_date_format_is_followed():
    values, codes = convert(Instant(), "31/01/2024", "2024-01-31", zone="Asia/Shanghai", date_format="%d/%m/%Y")
    assert values[0] == datetime(2024, 1, 30, 16, tzinfo=UTC)
    assert codes == [None, "not_a_date"]


def test_a_day_drops_the_time():
    values, codes = convert(Day(), "2024-03-01", "2024-03-01 23:59:59", "", "2024-13-01")
    assert values == [date(2024, 3, 1), date(2024, 3, 1), None, None]
    assert codes == [None, None, None, "not_a_date"]


@pytest.mark.parametrize("odd", [[], ["1.0"]], ids=["column at once", "value by value"])
def test_whole_numbers_up_to_their_limit(odd):
    values, codes = convert(Whole(1000), "0", "1000", "1001", "", *odd)
    assert values[:4] == [0, 1000, None, None]
    assert codes[:4] == [None, None, "too_large", None]


def test_what_is_no_whole_number_is_refused():
    _values, codes = convert(Whole(), "1.5", "-1", "abc", "nan", "inf", "1e400", "12,5", "１２")
    assert codes == [
        "not_whole",
        "negative",
        "not_a_number",
        "not_finite",
        "not_finite",
        "not_finite",
        "not_a_number",
        "not_a_number",
    ]


def test_minutes_become_seconds_rounded_half_up():
    values, codes = convert(Whole(10_000, factor=60), "1", "0.5", "1.008333", "-1", "1e999")
    assert values[:3] == [60, 30, 60]
    assert codes[3:] == ["negative", "not_finite"]
    assert convert(Whole(10_000, factor=60), "0.025")[0] == [2]  # 1.5 seconds


def test_decimals_with_currency_and_thousands():
    values, codes = convert(Number(18), "$514,405.0", "¥1,200", "1100.04", "", "-5", "1e17", "1e18", "12,34")
    assert values[:4] == ["514405.00", "1200.00", "1100.04", None]
    assert codes[4:] == ["negative", None, "too_large", "not_a_number"]


def test_choices_by_value_label_and_in_chinese():
    values, codes = convert(Choice(Department), "sales", "Sales", "Customer service", "", "salse")
    assert values == ["sales", "sales", "service", "", None]
    assert codes == [None, None, None, None, "unknown_choice"]


def test_a_refused_choice_says_what_was_probably_meant():
    faults = Faults()
    Choice(Department).convert("department", pa.array(["marketting"]), Options(zone=ZoneInfo("UTC")), faults)
    text = faults.found[0][1].text("marketting")
    assert "“marketing”" in text
    assert "marketting" in text


def test_number_choices_are_numbers():
    values, codes = convert(Choice(Tier), "1", "", "4", "2.0", "2.5")
    assert values == [1, None, None, 2, None]
    assert codes == [None, None, "unknown_choice", None, "unknown_choice"]


def test_yes_and_no_in_several_tongues():
    assert convert(YesNo(), "Yes", "否", "1", "", "maybe") == (
        [True, False, True, None, None],
        [None, None, None, None, "not_yes_no"],
    )


def test_lists_are_split_and_quoted_for_the_database():
    values, codes = convert(Many(20), "Acme; ACME Inc., Ltd;Acme", '["a;b", "c\\"d"]', "", "x" * 21)
    assert values[:3] == ['{"Acme","ACME Inc., Ltd"}', '{"a;b","c\\"d"}', "{}"]
    assert codes == [None, None, None, "too_long"]


def test_json_lists_hold_what_can_be_stored_or_are_refused():
    texts = '["a", null, "b"]', r'["a\u0000"]', r'["\ud800"]', "[" * 100_000 + ";x"
    values, codes = convert(Many(200_000), *texts)
    assert codes == [None, "nul", "invalid_text", None]
    assert values[0] == '{"a","b"}'
    assert values[3].endswith('[","x"}')


def test_domains_are_taken_out_of_addresses():
    values, codes = convert(
        Domain(), "https://www.Example.com:8080/path?q=1", "user@mail.example.cn", "", "N/A", "[x](http://y.com)", "-"
    )
    assert values == ["example.com", "mail.example.cn", "", None, "y.com", None]
    assert codes == [None, None, None, "not_a_domain", None, "not_a_domain"]


def test_text_longer_than_its_field_is_refused_not_cut():
    assert convert(Text(3), "abc", "abcd", "北京市") == (["abc", None, "北京市"], [None, "too_long", None])


def test_what_no_field_may_hold_is_refused():
    faults = Faults()
    check_text(pa.array(["fine", "nul\x00", "x" * 1_000_001, "lost \ufffd"]), faults)
    assert {fault.code: mask.nonzero()[0].tolist() for mask, fault in faults.found} == {
        "cell_too_big": [2],
        "nul": [1],
        "undecodable": [3],
    }
