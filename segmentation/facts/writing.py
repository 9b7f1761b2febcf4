"""Writing many rows into PostgreSQL by binary COPY."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + b"\x00" * 8
COPY_TRAILER = b"\xff\xff"


def binary_rows(
    columns: Mapping[str, str], values: Mapping[str, Any], nullable: Sequence[str] = (), null: Mapping[str, Any] = {}
) -> Iterator[bytes]:
    """Rows for `COPY (columns) FROM STDIN (FORMAT binary)`, without header and trailer.

    columns: NumPy types by name, in order, most significant byte first. values: an array of each. null: bool arrays of
    the columns in `nullable`, true where a row has no value.
    """
    n = len(next(iter(values.values())))
    pattern = sum((null[name].astype(np.int8) << bit for bit, name in enumerate(nullable)), np.zeros(n, dtype=np.int8))
    # Rows with the same columns null have the same width, so each group is one array.
    for group in np.unique(pattern):
        rows = pattern == group
        fields: list[tuple[str, str]] = [("count", ">i2")]
        for name, kind in columns.items():
            fields.append((f"{name}_", ">i4"))
            if not (name in nullable and group >> nullable.index(name) & 1):
                fields.append((name, kind))
        block = np.empty(int(rows.sum()), dtype=fields)
        block["count"] = len(columns)
        for name, kind in columns.items():
            if name in (block.dtype.names or ()):
                block[f"{name}_"] = np.dtype(kind).itemsize
                block[name] = values[name][rows]
            else:
                block[f"{name}_"] = -1
        yield block.tobytes()
