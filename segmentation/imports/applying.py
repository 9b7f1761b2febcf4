"""Applying a mapping to the rows of a file: columns of text become columns of values."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.imports.csv_files import Block
from segmentation.imports.faults import Fault
from segmentation.imports.fields import read_number
from segmentation.imports.mapping import ColumnRule, Expansion, FileMapping, mapped_fields
from segmentation.imports.report import Replacement

KEPT_VALUES = 200  # distinct values reported for each field


@dataclass
class Batch:
    """Records of one block as columns of text by field; ``rows`` says which row of the file each came from.

    ``given`` marks, for fields that not every record has, those that have it.
    """

    columns: dict[str, pa.Array]
    rows: np.ndarray
    lines: np.ndarray | None
    given: dict[str, np.ndarray] = field(default_factory=dict)


class Applier:
    """Turns blocks of a file into batches of records and keeps count of what it changed."""

    def __init__(self, mapping: FileMapping):
        self.mapping = mapping
        self.left_out = 0  # rows of which no record was made
        self.left_out_lines: list[int] = []
        self._replaced: Counter[tuple[str, str, str]] = Counter()
        self._unexpected: Counter[tuple[str, str]] = Counter()

    def apply(self, block: Block) -> Batch:
        """Return the records of a block."""
        if not self.mapping.expand:
            columns = {name: self._values(name, rule, block) for name, rule in self.mapping.columns.items()}
            return Batch(columns, block.rows, block.lines)
        names = mapped_fields(self.mapping)
        pieces: list[dict[str, pa.Array]] = []
        wheres: list[np.ndarray] = []
        made = np.zeros(len(block.rows), bool)
        for place, part in enumerate(self.mapping.expand):
            mask = self._rows_of(part, block)
            made |= mask
            where = np.flatnonzero(mask)
            chosen = Block(
                {name: column.take(pa.array(where)) for name, column in block.columns.items()},
                block.rows[where],
                block.lines[where],
            )
            rules = {**self.mapping.columns, **part.columns}
            piece = {
                name: self._values(name, rules[name], chosen) if name in rules else _constant("", len(where))
                for name in names
            }
            if "sequence" not in rules:
                piece["sequence"] = _constant(str(place), len(where))
            pieces.append(piece)
            wheres.append(where)
        missing = np.flatnonzero(~made)
        self.left_out += len(missing)
        self.left_out_lines += block.lines[missing[:20]].tolist()
        order = np.concatenate(wheres)
        # Records of one row stay together, in the order of the mapping.
        sort = np.argsort(order, kind="stable")
        columns = {name: pa.concat_arrays([piece[name] for piece in pieces]).take(pa.array(sort)) for name in names}
        return Batch(columns, block.rows[order[sort]], block.lines[order[sort]])

    def _rows_of(self, part: Expansion, block: Block) -> np.ndarray:
        mask = np.ones(len(block.rows), bool)
        for column, wanted in part.only_if.items():
            trimmed = pc.utf8_trim_whitespace(block.columns[column])
            mask &= pc.is_in(trimmed, value_set=pa.array(wanted, pa.string())).to_numpy(zero_copy_only=False)
        for column in part.skip_if_empty:
            trimmed = pc.utf8_trim_whitespace(block.columns[column])
            mask &= pc.not_equal(trimmed, "").to_numpy(zero_copy_only=False)
        return mask

    def _values(self, name: str, rule: ColumnRule, block: Block) -> pa.Array:
        if rule.constant is not None:
            return _constant(rule.constant, len(block.rows))
        values = block.columns[rule.column]
        if rule.strip:
            values = pc.utf8_trim_whitespace(values)
        if rule.values or rule.expect:
            values = self._replace(name, rule, values)
        if rule.scale is not None:
            values = _scaled(values, rule.scale)
        if rule.default:
            values = pc.if_else(pc.equal(values, ""), rule.default, values)
        return values

    def _replace(self, name: str, rule: ColumnRule, values: pa.Array) -> pa.Array:
        encoded = values.dictionary_encode()
        counts = np.bincount(encoded.indices.to_numpy(zero_copy_only=False), minlength=len(encoded.dictionary))
        new = []
        for text, count in zip(encoded.dictionary.to_pylist(), counts.tolist(), strict=True):
            found = rule.values.get(text)
            new.append(text if found is None else found)
            if found is not None and found != text:
                self._replaced[name, text, found] += count
            elif found is None and rule.expect and text and text not in rule.expect:
                self._unexpected[name, text] += count
        return pa.array(new, pa.string()).take(encoded.indices)

    def replaced(self) -> list[Replacement]:
        return [Replacement(name, old, new, rows) for (name, old, new), rows in self._replaced.most_common(KEPT_VALUES)]

    def unexpected(self) -> list[Replacement]:
        return [Replacement(name, old, None, rows) for (name, old), rows in self._unexpected.most_common(KEPT_VALUES)]


def _constant(text: str, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), length)


def _scaled(values: pa.Array, scale: Decimal) -> pa.Array:
    encoded = values.dictionary_encode()
    new = []
    for text in encoded.dictionary.to_pylist():
        number = read_number(text)
        # What is no number is left to the field to refuse.
        new.append(text if number is None or isinstance(number, Fault) else format(number * scale, "f"))
    return pa.array(new, pa.string()).take(encoded.indices)
