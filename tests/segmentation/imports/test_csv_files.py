import numpy as np
import pytest

from segmentation.imports import csv_files
from segmentation.imports.csv_files import inspect_csv, read_blocks
from segmentation.imports.errors import FileFaultError

HEADER = "id,name\n"


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, encoding: str = "utf-8"):
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def rows_of(path, **options):
    """All rows as (line, cells), and the lines that could not be read as (line, code)."""
    file = inspect_csv(path, **options)
    rows, bad = [], []
    for block in read_blocks(file):
        columns = [block.columns[name].to_pylist() for name in file.header]
        rows += zip(block.lines.tolist(), zip(*columns, strict=True), strict=True)
        bad += [(line.line, line.code) for line in block.bad]
    return rows, bad


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ("id,name\n1,北京科技\n".encode(), "utf-8"),
        (b"\xef\xbb\xbf" + "id,name\n1,北京科技\n".encode(), "utf-8"),
        (b"\xff\xfe" + "id,name\n1,北京科技\n".encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + "id,name\n1,北京科技\n".encode("utf-16-be"), "utf-16-be"),
        ("id,name\n1,北京科技\n".encode("utf-16-le"), "utf-16-le"),
        ("id,name\n1,北京科技\n".encode("gb18030"), "gb18030"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16-le", "utf-16-be", "utf-16-le without mark", "gb18030"],
)
def test_the_encoding_is_found(write, raw, encoding):
    path = write(raw)
    assert inspect_csv(path).encoding == encoding
    assert rows_of(path) == ([(2, ("1", "北京科技"))], [])


def test_western_text_that_is_no_utf_8_is_not_taken_for_chinese(write):
    path = write("id,name\n1,Café Société Générale\n2,Müller & Söhne\n", "cp1252")
    assert inspect_csv(path).encoding == "cp1252"
    assert rows_of(path)[0][0] == (2, ("1", "Café Société Générale"))


def test_an_encoding_that_shows_only_far_down_is_found(write):
    path = write("id,name\n" + "1,plain\n" * 20_000 + "2,北京科技有限公司\n", "gb18030")
    assert inspect_csv(path).encoding == "gb18030"
    assert rows_of(path)[0][-1] == (20_002, ("2", "北京科技有限公司"))


def test_a_few_damaged_bytes_do_not_change_the_encoding(write):
    path = write(
        b"id,name\n1,\xe5\x8c\x97\xe4\xba\xac\xe7\xa7\x91\xe6\x8a\x80\xe5\x8c\x97\xe4\xba\xac\xe7\xa7\x91\xe6\x8a\x80\xe5\x8c\x97\xe4\xba\xac\n2,bro\xffken\n"
    )
    file = inspect_csv(path)
    assert (file.encoding, file.damaged) == ("utf-8", True)
    assert rows_of(path)[0][1] == (3, ("2", "bro\ufffdken"))


@pytest.mark.parametrize(("mark", "name"), [(",", "comma"), (";", "semicolon"), ("\t", "tab")])
def test_the_separator_is_found(write, mark, name):
    path = write(f"id{mark}name\n1{mark}a\n")
    assert inspect_csv(path).delimiter == mark
    assert rows_of(path) == ([(2, ("1", "a"))], [])


def test_a_separator_inside_quotes_is_not_counted(write):
    assert inspect_csv(write('"a,b,c,d";name\n1;x\n')).delimiter == ";"


def test_the_separator_a_spreadsheet_names_in_the_first_line_is_used(write):
    assert rows_of(write("sep=;\nid;name, full\n1;a\n")) == ([(3, ("1", "a"))], [])


def test_headings_lose_spaces_and_get_names_of_their_own(write):
    assert inspect_csv(write(" id ,name,name,\n1,a,b,c\n")).header == ("id", "name", "name (2)", "column 4")


def test_lines_are_those_of_the_file_though_cells_hold_line_breaks(write):
    path = write('\nid,name\n1,"two\nlines"\n\n2,b\n3,"x ""quoted"""\n')
    assert rows_of(path) == ([(3, ("1", "two\nlines")), (6, ("2", "b")), (7, ("3", 'x "quoted"'))], [])


def test_lines_without_quotes_are_counted_over_blank_lines(write):
    assert rows_of(write("id,name\n1,a\n\n2,b\n\n\n3,c\n"))[0] == [(2, ("1", "a")), (4, ("2", "b")), (7, ("3", "c"))]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends_are_understood(write, end):
    path = write(end.join(["id,name", "1,a", "2,b", ""]))
    assert rows_of(path) == ([(2, ("1", "a")), (3, ("2", "b"))], [])


def test_a_row_of_the_wrong_length_is_bad_and_the_others_are_read(write):
    rows, bad = rows_of(write("id,name\n1,a\n2\n3,c,d\n4,e,,\n"))
    assert rows == [(2, ("1", "a")), (5, ("4", "e"))]
    assert bad == [(3, "cell_count"), (4, "cell_count")]


def test_a_quote_that_is_never_closed_is_told_with_the_line_where_it_opened(write):
    rows, bad = rows_of(write('id,name\n1,a\n2,"open\n3,c\n4,d\n'))
    assert rows == [(2, ("1", "a"))]
    assert bad == [(3, "quote_open")]


def test_a_quote_inside_a_cell_is_only_a_character(write):
    assert rows_of(write('id,name\n1,5" pipe\n2,b\n'))[0] == [(2, ("1", '5" pipe')), (3, ("2", "b"))]


def test_blocks_may_begin_inside_a_quoted_cell(write, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    monkeypatch.setattr(csv_files, "BLOCK_ROWS", 3)
    text = "id,name\n" + "".join(f'{n},"line one\nline two of {n}"\n' if n % 3 else f"{n},plain\n" for n in range(50))
    rows, bad = rows_of(write(text))
    assert bad == []
    assert [cells[0] for _line, cells in rows] == [str(n) for n in range(50)]
    expected, line = [], 2
    for n in range(50):
        expected.append(line)
        line += 2 if n % 3 else 1
    assert [line for line, _cells in rows] == expected


def test_both_parsers_read_the_same(write, monkeypatch):
    path = write("id,name\n" + "".join(f"{n}, näme {n}\t\n" for n in range(500)))
    fast = rows_of(path)
    monkeypatch.setattr(csv_files._Reader, "_by_arrow", lambda self, chunk: None)
    assert rows_of(path) == fast
    assert len(fast[0]) == 500


def test_both_parsers_read_the_same_of_quoted_cells(write, monkeypatch):
    random = np.random.default_rng(5)
    cells = [
        "",
        "x",
        '"x"',
        '"x,y"',
        '"x ""y"""',
        '""',
        'x "y"',
        '"x"y',
        ' "x"',
        "é中",
        '"open',
        '"two\nlines"',
        '"crlf\r\n"',
    ]
    shares = np.array([6] * 10 + [0.02, 0.3, 0.1])
    fast = 0
    by_arrow = csv_files._Reader._by_arrow

    def counted(reader, chunk):
        nonlocal fast
        block = by_arrow(reader, chunk)
        fast += block is not None
        return block

    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    for case in range(300):
        drawn = random.choice(cells, (random.integers(1, 30), 2), p=shares / shares.sum())
        end = "\r\n" if case % 4 == 0 else "\n"
        path = write(f"id,name{end}" + end.join(",".join(row) for row in drawn) + end * (case % 3 > 0))
        monkeypatch.setattr(csv_files._Reader, "_by_arrow", counted)
        found = rows_of(path)
        monkeypatch.setattr(csv_files._Reader, "_by_arrow", lambda *_of: None)
        assert found == rows_of(path), path.read_text()
    assert fast > 300  # most blocks are quoted and need no csv module


def test_a_cell_of_ten_megabytes_is_read_and_left_to_be_refused(write):
    rows, bad = rows_of(write("id,name\n1," + "x" * 10_000_000 + "\n2,b\n"))
    assert bad == []
    assert [(line, len(cells[1])) for line, cells in rows] == [(2, 10_000_000), (3, 1)]


def test_a_quoted_cell_beyond_all_measure_is_given_up(write, monkeypatch):
    monkeypatch.setattr(csv_files, "MAX_OPEN_CELL", 200_000)
    monkeypatch.setattr(csv_files._Reader, "_by_arrow", lambda *_of: None)
    monkeypatch.setattr(
        csv_files.csv, "field_size_limit", lambda *args, limit=csv_files.csv.field_size_limit: limit(200_000)
    )
    rows, bad = rows_of(write('id,name\n1,"' + "x" * 300_000 + '"\n2,b\n'))
    assert bad == [(2, "unreadable_row")]
    assert rows == [(3, ("2", "b"))]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"PK\x03\x04rest", "not_csv"),
        (b"%PDF-1.7", "not_csv"),
        (b'{"a": 1, "b": 2}', "not_csv"),
        (b"<html><body>a,b</body></html>", "not_csv"),
        (bytes(range(256)) * 20, "not_csv"),
    ],
    ids=["no bytes", "blank lines", "excel", "pdf", "json", "html", "binary"],
)
def test_what_is_no_csv_is_refused(write, content, code):
    with pytest.raises(FileFaultError) as caught:
        inspect_csv(write(content))
    assert caught.value.code == code
    assert caught.value.remedy


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileFaultError, match=r"nowhere\.csv"):
        inspect_csv(tmp_path / "nowhere.csv")


def test_an_unknown_encoding_is_refused_with_one_that_is_known(write):
    with pytest.raises(FileFaultError, match="gb18030"):
        inspect_csv(write(HEADER), encoding="gb1803")


def test_a_named_encoding_is_used(write):
    path = write("id,name\n1,台灣公司\n", "big5")
    assert rows_of(path, encoding="big5") == ([(2, ("1", "台灣公司"))], [])


def test_row_numbers_run_on_over_blocks(write, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 50)
    path = write("id,name\n" + "1,abc\n" * 60)
    numbers = np.concatenate([block.rows for block in read_blocks(inspect_csv(path))])
    assert numbers.tolist() == list(range(60))


@pytest.mark.parametrize(
    "name", ["zip", "hex", "rot13", "idna", "undefined", "unicode_escape", "utf-7", "utf-32", "a\x00"]
)
def test_what_makes_no_text_of_a_file_is_no_encoding(write, name):
    with pytest.raises(FileFaultError) as caught:
        inspect_csv(write(HEADER), encoding=name)
    assert caught.value.code == "unknown_encoding"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("first", ["客", "彀", "笀", "㰀", "嬀"])
def test_letters_of_utf_16_are_not_taken_for_json(write, encoding, first):
    """In one of the byte orders these begin with the byte of a bracket."""
    file = inspect_csv(write(f"{first},name\n1,Acme\n", encoding))
    assert (file.encoding, file.header) == (encoding, (first, "name"))


def test_control_characters_in_the_first_line_give_a_binary_file_away(write):
    with pytest.raises(FileFaultError, match="binary data"):
        inspect_csv(write(b"c\x04t,name\n" + b"1,Acme\n" * 20))


def test_a_first_line_without_end_is_told_as_such(write):
    with pytest.raises(FileFaultError, match="does not end within"):
        inspect_csv(write("id," + "x" * 10_000_000))
