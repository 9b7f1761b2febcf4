"""Reading CSV files as columns of text: encoding and separator found out, every row with its line in the file.

Blocks in which every line is a row of the right length are parsed by Arrow; the others by the csv module, which knows
the line each row came from.
"""

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from django.utils.translation import gettext_lazy as _

from segmentation.errors import closest, shorten
from segmentation.imports.errors import FileFaultError

BLOCK_BYTES = 4 << 20
BLOCK_ROWS = 50_000
SAMPLE_BYTES = 64 << 10
MAX_CELL_BYTES = 1_000_000
MAX_OPEN_CELL = 32 << 20  # a quoted cell that goes on for longer is given up and reported
DELIMITERS = ",;\t|"
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "gb18030": "GB18030",
    "cp1252": "Windows-1252",
    "big5": "Big5",
}
SIGNATURES = {
    b"PK\x03\x04": _("an Excel workbook or another zip archive"),
    b"\xd0\xcf\x11\xe0": _("an old Excel or Word file"),
    b"%PDF": _("a PDF file"),
    b"\x89PNG": _("a picture"),
    b"\xff\xd8\xff": _("a picture"),
    b"\x1f\x8b": _("a gzip archive"),
    b"PAR1": _("a Parquet file"),
    b"SQLite format 3": _("a SQLite database"),
    b"\x7fELF": _("a program"),
}
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class CsvFile:
    """A file that was looked at: how it is written and what its columns are called.

    Attributes:
        damaged: some bytes are not of the encoding; rows with them are bad.
        body: offset in bytes of the first line below the header, in the file.
        body_line: the number of that line, from 1.
    """

    path: Path
    size: int
    sha256: str
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    body: int
    body_line: int
    damaged: bool = False

    @property
    def encoding_name(self) -> str:
        return ENCODINGS.get(self.encoding, self.encoding)


@dataclass
class BadLine:
    """A line the reader could not make a row of."""

    row: int
    line: int  # 0 where there is no file
    code: str
    message: str
    value: str = ""
    field: str = ""


@dataclass
class Block:
    """Rows of a file as columns of text, with the position and the line of each."""

    columns: dict[str, pa.Array]
    rows: np.ndarray
    lines: np.ndarray
    bad: list[BadLine] = field(default_factory=list)


def inspect_csv(path: Path, *, encoding: str = "", delimiter: str = "") -> CsvFile:
    """Find out how a file is written.

    Args:
        path: the file.
        encoding, delimiter: what the mapping says; found out when empty.

    Raises:
        FileFaultError: it is empty, no text, or no CSV.
    """
    if path.is_dir():
        raise FileFaultError(
            _("“%(value)s” is a directory."),
            code="directory",
            value=str(path),
            remedy=_("Name the CSV file in it."),
        )
    try:
        with path.open("rb") as stream:
            sample = stream.read(SAMPLE_BYTES)
    except OSError as error:
        raise FileFaultError(
            _("The file “%(value)s” cannot be read: %(reason)s."),
            code="unreadable",
            value=path.name,
            params={"reason": error.strerror or error},
            remedy=_("Check the path and the rights."),
        ) from error
    _refuse_other_formats(path, sample)
    if encoding:
        encoding, bom = _named_encoding(encoding, sample)
    else:
        encoding, bom = _marked_encoding(sample)
    found, damaged, sha256, size = _scan(path, encoding, sample)
    text = sample[bom:].decode(found, errors="replace")
    return _with_header(path, text, found, damaged, sha256, size, bom, delimiter)


def _refuse_other_formats(path: Path, sample: bytes) -> None:
    for signature, name in SIGNATURES.items():
        if sample.startswith(signature):
            raise FileFaultError(
                _("“%(value)s” is %(kind)s and no CSV file."),
                code="not_csv",
                value=path.name,
                params={"kind": name},
                remedy=_("Save the table as CSV (UTF-8) and import that."),
            )
    if not sample.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise FileFaultError(
            _("The file “%(value)s” is empty."),
            code="empty",
            value=path.name,
            remedy=_("The first line must hold the names of the columns."),
        )
    text = sample.decode(_marked_encoding(sample)[0] or "latin-1", errors="replace")
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", "<"):
        raise FileFaultError(
            _("“%(value)s” looks like JSON, XML or a web page and is no CSV file."),
            code="not_csv",
            value=path.name,
            remedy=_("Save the table as CSV (UTF-8) and import that."),
        )


def _named_encoding(name: str, sample: bytes) -> tuple[str, int]:
    try:
        codec = codecs.lookup(name).name
        _check_codec(codec)
    except (LookupError, ValueError):
        raise FileFaultError(
            _("There is no encoding “%(value)s”."),
            code="unknown_encoding",
            field="encoding",
            value=name,
            params={"guess": closest(name, ENCODINGS) or "utf-8"},
            remedy=_("Use %(guess)s, or leave it out to have it found."),
        ) from None
    marked, bom = _marked_encoding(sample)
    if codec in ("utf-16", "utf-8-sig"):
        codec = marked or "utf-16-le" if codec == "utf-16" else "utf-8"
    return codec, bom if codec == marked else 0


def _check_codec(name: str) -> None:
    """Raise LookupError or ValueError for a codec that makes no text of files: zip, rot13, escapes, undefined ..."""
    probe = b"\\ud800 +2AA- "
    probe.decode(name, errors="replace")
    text = codecs.getincrementaldecoder(name)(errors="replace").decode(probe)
    text.encode()  # halves of characters cannot be stored


def _marked_encoding(sample: bytes) -> tuple[str, int]:
    """Return the encoding that a byte order mark or the NUL bytes give away, and the length of the mark."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if sample.startswith(mark):
            return encoding, len(mark)
    if b"\x00" in sample:
        odd, even = sample[1::2].count(0), sample[0::2].count(0)
        encoding = "utf-16-le" if odd > even else "utf-16-be"
        text = sample[: len(sample) // 2 * 2].decode(encoding, errors="replace")[:4096]
        if "\n" in text and any(mark in text for mark in DELIMITERS) and "\x00" not in text.split("\n")[0]:
            return encoding, 0
    return "", 0


def _scan(path: Path, encoding: str, sample: bytes) -> tuple[str, bool, str, int]:
    """Read the file once: checksum, size, and which of the encodings it can be decoded with from end to end."""
    candidates = [encoding] if encoding else ["utf-8", "gb18030"]
    decoders = {name: codecs.getincrementaldecoder(name)() for name in candidates}
    digest, size = hashlib.sha256(), 0
    high = pairs = 0  # bytes above 127, and how many of them stand in the double bytes of Chinese text
    lossy, good, lost = codecs.getincrementaldecoder(candidates[0])(errors="replace"), 0, 0
    with path.open("rb") as stream:
        while chunk := stream.read(BLOCK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if chunk.isascii() and candidates[0] == "utf-8" and not lossy.getstate()[0]:
                continue
            for name in list(decoders):
                try:
                    decoders[name].decode(chunk)
                except UnicodeDecodeError:
                    del decoders[name]
            text = lossy.decode(chunk)
            lost += text.count(REPLACEMENT)
            good += len(text) - len(text.encode("ascii", "ignore"))
            if not encoding and not chunk.isascii():
                found, paired = _chinese_share(chunk)
                high, pairs = high + found, pairs + paired
    for name, decoder in list(decoders.items()):
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            del decoders[name]
    control = (
        sum(sample.count(bytes([code])) for code in (*range(9), *range(14, 32)))
        if not (encoding or "").startswith("utf-16")
        else 0
    )
    if control * 10 > len(sample):
        raise FileFaultError(
            _("“%(value)s” holds binary data and is no CSV file."),
            code="not_csv",
            value=path.name,
            remedy=_("Save the table as CSV (UTF-8) and import that."),
        )
    if candidates[0] in decoders:
        return candidates[0], False, digest.hexdigest(), size
    if encoding or lost * 10 < good:
        return candidates[0], True, digest.hexdigest(), size  # a few damaged bytes: their rows are bad
    if "gb18030" in decoders and pairs * 10 >= high * 8:
        return "gb18030", False, digest.hexdigest(), size
    return "cp1252", True, digest.hexdigest(), size


def _chinese_share(chunk: bytes) -> tuple[int, int]:
    """Count the bytes above 127, and those in pairs as in GB text; in Western text most stand alone."""
    high = np.frombuffer(chunk, np.uint8) > 0xA0
    neighbours = np.zeros(len(high), bool)
    neighbours[1:] |= high[:-1]
    neighbours[:-1] |= high[1:]
    return int((np.frombuffer(chunk, np.uint8) > 127).sum()), int((high & neighbours).sum())


def _with_header(
    path: Path, text: str, encoding: str, damaged: bool, sha256: str, size: int, bom: int, delimiter: str
) -> CsvFile:
    lines = io.StringIO(text, newline="")
    body_line, offset = 1, bom
    if "\n" not in text and "\r" in text:
        lines = io.StringIO(text.replace("\r", "\n"), newline="")
    line = ""
    while True:
        line = lines.readline()
        if not line:
            raise FileFaultError(
                _("The file “%(value)s” is empty."),
                code="empty",
                value=path.name,
                remedy=_("The first line must hold the names of the columns."),
            )
        if line.strip("\r\n\ufeff ") and not line.lower().startswith("sep="):
            break
        if line.lower().startswith("sep=") and len(line) > 4:  # a hint some spreadsheets write
            delimiter = delimiter or line[4]
        offset += len(line.encode(encoding))
        body_line += 1
    while line.count('"') % 2 and (more := lines.readline()):
        line += more
    if len(line) > SAMPLE_BYTES // 4 and "\n" not in line:
        raise FileFaultError(
            _("The first line of “%(value)s” does not end within %(most)s characters: this is no CSV file."),
            code="not_csv",
            value=path.name,
            params={"most": f"{len(line):,}"},
            remedy=_("The first line must hold the names of the columns."),
        )
    if any(sign < " " and sign not in "\t\r\n" for sign in line):
        raise FileFaultError(
            _("“%(value)s” holds binary data and is no CSV file."),
            code="not_csv",
            value=path.name,
            remedy=_("Save the table as CSV (UTF-8) and import that."),
        )
    delimiter = delimiter or max(DELIMITERS, key=lambda mark: _outside_quotes(line, mark))
    if len(delimiter) != 1:
        raise FileFaultError(
            _("“%(value)s” separates no columns."),
            code="unknown_delimiter",
            field="delimiter",
            value=delimiter,
            remedy=_("Name one character, such as , or ;"),
        )
    cells = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter), [])
    return CsvFile(
        path=path,
        size=size,
        sha256=sha256,
        encoding=encoding,
        delimiter=delimiter,
        header=_column_names(cells),
        body=offset + len(line.encode(encoding, errors="replace")),
        body_line=body_line + line.count("\n") + (0 if line.endswith("\n") else 1),
        damaged=damaged,
    )


def _outside_quotes(line: str, mark: str) -> int:
    return sum(part.count(mark) for part in line.split('"')[::2])


def _column_names(cells: list[str]) -> tuple[str, ...]:
    """Return a name for each column: without spaces around it, none empty, none twice."""
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        base = name = cell.strip().lstrip("\ufeff") or f"column {place}"
        number = 1
        while name in names:
            number += 1
            name = f"{base} ({number})"
        names.append(name)
    return tuple(names)


def read_blocks(file: CsvFile) -> Iterator[Block]:
    """Yield the rows of a file below its header, some megabytes at a time."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_OPEN_CELL))
    reader = _Reader(file)
    yield from reader.blocks()


class _Reader:
    def __init__(self, file: CsvFile):
        self.file = file
        self.width = len(file.header)
        self.row = 0
        self.line = file.body_line
        self.chunks = self._chunks()
        self.pending: list[str] = []  # lines of the row being read
        self.queue: list[str] = []  # lines cut and not yet read, last first
        self.exhausted = False

    def _chunks(self) -> Iterator[bytes]:
        """Yield the file as UTF-8, cut behind line ends."""
        decoder = codecs.getincrementaldecoder(self.file.encoding)(errors="replace" if self.file.damaged else "strict")
        plain = self.file.encoding == "utf-8" and not self.file.damaged
        rest = b""
        old_mac = None
        with self.file.path.open("rb") as stream:
            stream.seek(self.file.body)
            while True:
                raw = stream.read(BLOCK_BYTES)
                data = raw if plain else decoder.decode(raw, final=not raw).encode()
                if old_mac is None:
                    old_mac = b"\r" in data and b"\n" not in data
                if old_mac:
                    data = data.replace(b"\r", b"\n")
                if not raw:
                    if rest + data:
                        yield rest + data
                    return
                cut = data.rfind(b"\n") + 1
                if not cut and len(rest) < MAX_OPEN_CELL:
                    rest += data
                    continue
                if not cut:  # one line without end: hand it on, it is refused there
                    cut = len(data)
                yield rest + data[:cut]
                rest = data[cut:]

    def blocks(self) -> Iterator[Block]:
        for chunk in self.chunks:
            block = self._by_arrow(chunk)
            if block is not None:
                yield block
            else:
                yield from self._by_csv(chunk)

    def _by_arrow(self, chunk: bytes) -> Block | None:
        if chunk.count(b"\r") != chunk.count(b"\r\n"):
            return None
        if is_quoted := b'"' in chunk:
            chunk = chunk if chunk.endswith(b"\n") else chunk + b"\n"
        odd: list[object] = []

        def refuse(row: object) -> str:
            odd.append(row)
            return "skip"

        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(chunk),
                read_options=arrow_csv.ReadOptions(
                    column_names=list(self.file.header), block_size=len(chunk) + 1, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.file.delimiter,
                    quote_char='"' if is_quoted else False,
                    newlines_in_values=is_quoted,
                    ignore_empty_lines=False,
                    invalid_row_handler=refuse,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self.file.header, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid:
            return None
        if odd or (self.width == 1 and table.num_rows):
            return None
        if is_quoted and (
            table.num_rows != chunk.count(b"\n") or table.column(self.width - 1)[-1].as_py().endswith("\n")
        ):
            return None  # some cell goes over several lines, perhaps beyond this block
        columns = {name: table[name].combine_chunks() for name in self.file.header}
        lines = np.arange(self.line, self.line + table.num_rows)
        self.line += table.num_rows
        some = np.zeros(len(lines), bool)
        for column in columns.values():
            some |= pc.not_equal(column, "").to_numpy(zero_copy_only=False)
            if some.all():
                break
        else:  # lines without anything in them are no rows
            lines = lines[some]
            columns = {name: column.filter(pa.array(some)) for name, column in columns.items()}
        block = Block(columns, np.arange(self.row, self.row + len(lines)), lines)
        self.row += len(lines)
        return block

    def _lines(self) -> Iterator[str]:
        """Feed the csv module: lines of this chunk, and of the next ones while a quoted cell is open."""
        while True:
            while not self.queue:
                chunk = next(self.chunks, None)
                if chunk is None:
                    self.exhausted = True
                    return
                self.queue = _split(chunk)
            line = self.queue.pop()
            self.pending.append(line)
            yield line

    def _by_csv(self, chunk: bytes) -> Iterator[Block]:
        self.queue = _split(chunk)
        reader = csv.reader(self._lines(), delimiter=self.file.delimiter)
        rows: list[list[str]] = []
        numbers: list[int] = []
        lines: list[int] = []
        bad: list[BadLine] = []
        width = self.width
        last: list[str] = []
        while self.queue:
            if len(rows) >= BLOCK_ROWS:
                yield self._block(rows, numbers, lines, bad)
                rows, numbers, lines, bad = [], [], [], []
            first = self.line
            problem = ""
            cells: list[str] | None
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                cells, problem = [], str(error)
            last = self.pending
            self.line += len(last)
            self.pending = []
            if problem:
                bad.append(
                    BadLine(
                        self.row,
                        first,
                        "unreadable_row",
                        _unreadable(problem, first, self.line - 1),
                        shorten("".join(last)),
                    )
                )
                self.row += 1
                continue
            if not any(cells) or (len(cells) == 1 and width > 1 and not cells[0].strip()):
                continue  # a line without anything in it is no row
            if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                cells = cells[:width]
            if self.exhausted and len(last) > 1 and _quote_is_open(last, self.file.delimiter):
                text = str(
                    _("A quotation mark opened on line %(line)d is never closed; %(count)d lines were swallowed.")
                )
                text = (
                    text % {"line": first, "count": len(last)}
                    + " "
                    + str(_("Close it, or double the mark inside the cell."))
                )
                bad.append(BadLine(self.row, first, "quote_open", text, shorten(last[0])))
            elif len(cells) != width:
                text = str(_("The row has %(cells)d cells, the header has %(columns)d.")) % {
                    "cells": len(cells),
                    "columns": width,
                }
                text += " " + str(_("Look for a missing separator or quotation mark."))
                bad.append(BadLine(self.row, first, "cell_count", text, shorten(self.file.delimiter.join(cells))))
            else:
                rows.append(cells)
                numbers.append(self.row)
                lines.append(first)
            self.row += 1
        if rows or bad:
            yield self._block(rows, numbers, lines, bad)

    def _block(self, rows: list[list[str]], numbers: list[int], lines: list[int], bad: list[BadLine]) -> Block:
        columns = zip(*rows, strict=True) if rows else [()] * self.width
        return Block(
            columns={
                name: pa.array(column, pa.string()) for name, column in zip(self.file.header, columns, strict=True)
            },
            rows=np.array(numbers, np.int64),
            lines=np.array(lines, np.int64),
            bad=bad,
        )


def _split(chunk: bytes) -> list[str]:
    """Return the lines, last first. Only line feeds end a line: other separators of Unicode may stand in a cell."""
    lines = chunk.decode("utf-8", errors="replace").split("\n")
    tail = lines.pop()
    lines = [f"{line}\n" for line in lines]
    if tail:
        lines.append(tail)
    lines.reverse()
    return lines


def _quote_is_open(lines: list[str], delimiter: str) -> bool:
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _unreadable(problem: str, first: int, last: int) -> str:
    if "field larger" in problem:
        text = str(_("Lines %(first)d to %(last)d are one cell of more than %(size)d MB."))
        remedy = str(_("Probably a quotation mark is not closed."))
        return text % {"first": first, "last": last, "size": MAX_OPEN_CELL >> 20} + " " + remedy
    return (
        str(_("The row cannot be read (%(reason)s).")) % {"reason": problem}
        + " "
        + str(_("Correct the line in the file."))
    )
