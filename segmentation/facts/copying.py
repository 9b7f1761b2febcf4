"""Reading many rows out of PostgreSQL into arrays, by binary COPY of fixed-width columns.

`PQgetCopyData` hands out one row at a time; fetching them in Python makes an object for each. Here the loop over libpq
runs compiled and without the interpreter's lock, at a little more than the speed of the server.
"""

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from psycopg import pq

from segmentation.engine.resolve import jit

# PostgreSQL counts microseconds from 2000-01-01 UTC, the engine from 1970-01-01 UTC.
POSTGRES_EPOCH = 946_684_800_000_000

_WIDTHS = {"i8": 8, "i4": 4, "i2": 2, "b1": 1, "time": 8}
_DTYPES = {"i8": ">i8", "i4": ">i4", "i2": ">i2", "b1": "u1", "time": ">i8"}
_NATIVE = {"i8": "i8", "i4": "i4", "i2": "i2", "b1": "?", "time": "i8"}
_HEADER = 19  # signature, flags, length of the extension
_CHUNK = 1 << 22
_LONGEST = 4096  # bytes of a row; fixed-width ones are far shorter
_TOO_LONG = -3


@intrinsic  # type: ignore[untyped-decorator]
def _get_copy_data(_context, function, connection, buffer):  # type: ignore[no-untyped-def]
    """PQgetCopyData(connection, char **buffer, async = 0) by address."""

    def codegen(_cg, builder, _signature, args):  # type: ignore[no-untyped-def]
        pointer = ir.IntType(8).as_pointer()
        signature = ir.FunctionType(ir.IntType(32), [pointer, pointer.as_pointer(), ir.IntType(32)])
        call = builder.inttoptr(args[0], signature.as_pointer())
        return builder.call(
            call,
            [
                builder.inttoptr(args[1], pointer),
                builder.inttoptr(args[2], pointer.as_pointer()),
                ir.Constant(ir.IntType(32), 0),
            ],
        )

    return types.int32(types.intp, types.intp, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _take(_context, free, source, target, count):  # type: ignore[no-untyped-def]
    """Copy `count` bytes from address `source` to `target`, then PQfreemem(source)."""

    def codegen(_cg, builder, _signature, args):  # type: ignore[no-untyped-def]
        pointer = ir.IntType(8).as_pointer()
        source = builder.inttoptr(args[1], pointer)
        cgutils.raw_memcpy(builder, builder.inttoptr(args[2], pointer), source, args[3], 1)
        signature = ir.FunctionType(ir.VoidType(), [pointer])
        builder.call(builder.inttoptr(args[0], signature.as_pointer()), [source])

    return types.void(types.intp, types.intp, types.intp, types.intp), codegen


@jit
def _fill(get, free, connection, pointer, pointer_at, out_at, size):  # type: ignore[no-untyped-def]
    """Fetch rows until less room is left than the longest may need. Returns bytes filled and libpq's last answer."""
    filled = 0
    while filled + _LONGEST <= size:
        length = _get_copy_data(get, connection, pointer_at)
        if length <= 0:
            return filled, length
        if length > _LONGEST:
            _take(free, pointer[0], out_at, 0)
            return filled, _TOO_LONG
        _take(free, pointer[0], out_at + filled, length)
        filled += length
    return filled, 1


@cache
def _libpq() -> tuple[int, int] | None:
    """Addresses of PQgetCopyData and PQfreemem of the libpq that psycopg uses; None where it cannot be found."""
    try:
        if pq.__impl__ == "binary":
            import psycopg_binary

            folder = Path(psycopg_binary.__file__).parent.parent / "psycopg_binary.libs"
            found = list(folder.glob("libpq-*.so*"))
            path = str(found[0]) if len(found) == 1 else None
        elif pq.__impl__ == "python":
            path = pq.misc.find_libpq_full_path()
        else:
            path = None
        if not path:
            return None
        library = ctypes.CDLL(path)
        functions = library.PQgetCopyData, library.PQfreemem
    except (ImportError, OSError, AttributeError):
        return None
    get, free = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions)
    return get, free


def stream_rows(
    connection: Any, query: str, columns: Mapping[str, str], params: Sequence[Any] = ()
) -> Iterator[np.ndarray[Any, Any]]:
    """The rows of a query, in blocks of some tens of thousands.

    Parameters
    ----------
    connection: a Django database connection.
    query: a SELECT whose columns are those of `columns`, in order, none of them ever null.
    columns: name -> `i8`, `i4`, `i2` (integers), `b1` (boolean) or `time` (timestamptz, microseconds since 1970 UTC).
    params: values for the placeholders of the query.

    Yields structured arrays with native types. Raises psycopg.Error for a failing query and ValueError when a row is
    not of the declared width (a null, or another type).
    """
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    statement = f"COPY ({psycopg.ClientCursor(raw).mogrify(query, params or None)}) TO STDOUT (FORMAT binary)"
    parts: list[tuple[str, str]] = [("fields_", ">i2")]
    for name, kind in columns.items():
        parts += [(f"{name}_", ">i4"), (name, _DTYPES[kind])]
    record = np.dtype(parts)
    blocks = (
        _compiled_blocks(raw, statement, record.itemsize)
        if _libpq()
        else _plain_blocks(raw, statement, record.itemsize)
    )
    native = np.dtype([(name, _NATIVE[kind]) for name, kind in columns.items()])
    for block in blocks:
        rows = block.view(record)
        for name, kind in columns.items():
            if len(rows) and not (rows[f"{name}_"] == _WIDTHS[kind]).all():
                raise ValueError(f"Column {name!r} of the query is null somewhere or not of the type {kind!r}.")
        out = np.empty(len(rows), dtype=native)
        for name, kind in columns.items():
            out[name] = rows[name]
            if kind == "time":
                out[name] += POSTGRES_EPOCH
        yield out


def read_rows(
    connection: Any, query: str, columns: Mapping[str, str], params: Sequence[Any] = ()
) -> np.ndarray[Any, Any]:
    """All rows of a query as one structured array; see `stream_rows`."""
    blocks = list(stream_rows(connection, query, columns, params))
    if not blocks:
        return np.empty(0, dtype=[(name, _NATIVE[kind]) for name, kind in columns.items()])
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


_WRONG_WIDTH = "The rows of the query are not all of the declared width: a null, or another type."


def _rows_of(buffer: np.ndarray[Any, Any], filled: int, width: int, last: bool) -> tuple[np.ndarray[Any, Any], int]:
    """Whole rows at the beginning of a buffer and the bytes left over. The trailer (-1) is no row."""
    if last:
        if filled < 2 or (filled - 2) % width or not (buffer[filled - 2 : filled] == 255).all():
            raise ValueError(_WRONG_WIDTH)
        return buffer[: filled - 2], 0
    whole = filled // width * width
    return buffer[:whole], filled - whole


def _compiled_blocks(raw: psycopg.Connection[Any], statement: str, width: int) -> Iterator[np.ndarray[Any, Any]]:
    """Whole rows as they came. While the caller works on one block, a thread fetches the next."""
    get, free = _libpq() or (0, 0)
    pgconn: Any = raw.pgconn  # every implementation has pgconn_ptr, psycopg's protocol for them leaves it out
    pointer = np.zeros(1, dtype=np.int64)

    def fill(buffer: np.ndarray[Any, Any], start: int) -> tuple[int, int]:
        at = buffer.ctypes.data + start
        filled, answer = _fill(get, free, pgconn.pgconn_ptr, pointer, pointer.ctypes.data, at, len(buffer) - start)
        if answer == _TOO_LONG:
            raise ValueError(_WRONG_WIDTH)
        return start + filled, answer

    with raw.lock, ExitStack() as stack:
        result = pgconn.exec_(statement.encode(raw.info.encoding))
        if result.status != pq.ExecStatus.COPY_OUT:
            raise psycopg.errors.error_from_result(result, encoding=raw.info.encoding)
        stack.callback(_finish, raw, pgconn)
        buffer, spare = np.empty(_CHUNK, dtype=np.uint8), np.empty(0, dtype=np.uint8)
        filled, answer = fill(buffer, 0)
        skip = _HEADER if filled else 0
        while answer != -2:  # the query failed: _finish says why
            rows, left = _rows_of(buffer[skip:], filled - skip, width, last=answer == -1)
            if answer > 0:
                if not len(spare):
                    spare = np.empty(_CHUNK, dtype=np.uint8)
                    pool = stack.enter_context(ThreadPoolExecutor(1))
                spare[:left] = buffer[filled - left : filled]
                pending = pool.submit(fill, spare, left)
            if len(rows):
                yield rows
            if answer <= 0:
                break
            filled, answer = pending.result()
            buffer, spare, skip = spare, buffer, 0


def _finish(raw: psycopg.Connection[Any], pgconn: Any) -> None:
    """Take what is left of a COPY, so that the connection can be used again; raise what went wrong in it."""
    failed = None
    while True:
        result = pgconn.get_result()
        if result is None:
            break
        if result.status == pq.ExecStatus.COPY_OUT:
            while pgconn.get_copy_data(0)[0] > 0:
                pass
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            failed = result
    if failed is not None:
        raise psycopg.errors.error_from_result(failed, encoding=raw.info.encoding)


def _plain_blocks(raw: psycopg.Connection[Any], statement: str, width: int) -> Iterator[np.ndarray[Any, Any]]:
    """The same through psycopg's own interface: slower, works with every build of libpq."""
    pending: list[bytes] = []
    size, first = 0, True

    def joined(last: bool) -> tuple[np.ndarray[Any, Any], bytes]:
        data = np.frombuffer(b"".join(pending), dtype=np.uint8)
        rows, left = _rows_of(data, len(data), width, last)
        return rows.copy(), data[len(data) - left :].tobytes() if left else b""

    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        try:
            for block in copy:
                data = bytes(block)
                if first:
                    data, first = data[_HEADER:], False
                pending.append(data)
                size += len(data)
                if size >= _CHUNK:
                    # The trailer may be among the last bytes: keep one row back.
                    rows, rest = joined(last=False)
                    if not rest:
                        rows, rest = rows[:-width], rows[-width:].tobytes()
                    yield rows
                    pending, size = [rest], len(rest)
        except GeneratorExit:  # nobody wants the rest; leaving the COPY now would abort the transaction
            for _block in copy:
                pass
            raise
    if size:
        rows, _rest = joined(last=True)
        yield rows
