"""Playback events as NDJSON and back, whole columns at a time.

Rests on purpose History; used by the spool. One event is one line of JSON that a person can read. The two ids
come first and have a fixed width, so that a segment is searched and narrowed by them without parsing it; a
column that is null is left out. Measured: 500,000 events a second written in batches of 1,000, 800,000 in large
ones, 400,000 read, on one core; so the spool need not be Arrow IPC for speed.

"""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.json as pj
from numpy.typing import NDArray

from postreel.schema import Ids, Mask, Plays, fixed_binary, ids_of

pc: Any = pyarrow.compute  # its functions are made at run time; a type checker cannot see them

HEAD = '{"event_id":"'
BETWEEN = '","member":"'
EVENT_AT = len(HEAD)
MEMBER_AT = EVENT_AT + 32 + len(BETWEEN)
HEAD_TEXT, BETWEEN_TEXT = pa.scalar(HEAD), pa.scalar(BETWEEN)
QUOTE, END, EMPTY = pa.scalar('"'), pa.scalar("}\n"), pa.scalar("")
NO_NUMBER = pa.scalar(None, pa.float64())
SLICE_ROWS = 100_000
"""Rows turned into text at once: Arrow's text arrays hold at most 2 GiB."""

_REST = [f for f in Plays.SCHEMA if f.name not in ("event_id", "member")]
_NAMES = {f.name: pa.scalar(f',"{f.name}":') for f in _REST}
_PARSED = pa.schema(
    [
        (f.name, pa.string() if pa.types.is_fixed_size_binary(f.type) else _plain)
        for f in Plays.SCHEMA
        for _plain in [pa.int64() if pa.types.is_timestamp(f.type) else f.type]
    ]
)


def lines_of(plays: Plays) -> bytes:
    """One line an event, in order. A float that is not finite is left out as null is: JSON has no word for it."""
    return b"".join(
        _lines(plays.table.slice(at, SLICE_ROWS).combine_chunks()) for at in range(0, len(plays), SLICE_ROWS)
    )


def plays_of(lines: bytes | memoryview) -> Plays:
    """The events of these lines, in order."""
    if not len(lines):
        return Plays.empty()
    table = pj.read_json(
        io.BytesIO(lines),
        read_options=pj.ReadOptions(block_size=max(1 << 24, 1)),
        parse_options=pj.ParseOptions(explicit_schema=_PARSED, unexpected_field_behavior="ignore"),
    )
    columns: dict[str, Any] = {f.name: table.column(f.name).cast(f.type) for f in _REST}
    for name, at in (("event_id", EVENT_AT), ("member", MEMBER_AT)):
        columns[name] = fixed_binary(_hex_at(lines, at))
    return Plays(pa.table([columns[n] for n in Plays.SCHEMA.names], schema=Plays.SCHEMA))


def event_ids_of(lines: bytes | memoryview) -> Ids:
    """(n,) the event id of each line."""
    return _hex_at(lines, EVENT_AT)


def members_of(lines: bytes | memoryview) -> Ids:
    """(n,) the member of each line."""
    return _hex_at(lines, MEMBER_AT)


def lines_where(lines: bytes | memoryview, mask: Mask) -> bytes:
    """The lines whose flag is set, byte for byte."""
    starts, ends = _bounds(lines)
    return np.frombuffer(lines, np.uint8)[np.repeat(mask, ends - starts)].tobytes()


def _lines(table: pa.Table) -> bytes:
    count = table.num_rows
    pieces: list[Any] = [HEAD_TEXT, _hex(ids_of(table.column("event_id")))]
    pieces += [BETWEEN_TEXT, _hex(ids_of(table.column("member"))), QUOTE]
    for field in _REST:
        column = table.column(field.name).combine_chunks()
        if column.null_count < count:
            pieces.append(_joined([_NAMES[field.name], _words(column), EMPTY], "emit_null"))
    text: Any = _joined([*pieces, END, EMPTY], "replace")
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int32, count=count + 1, offset=text.offset * 4)
    return memoryview(data)[int(ends[0]) : int(ends[-1])].tobytes()


def _joined(pieces: list[Any], nulls: str) -> Any:
    # By `call_function`: the named kernels look for pandas at every call, which for a batch of ten events
    # costs more than writing them.
    return pc.call_function("binary_join_element_wise", pieces, pc.JoinOptions(nulls, ""))


def _words(column: Any) -> Any:
    """Each value as JSON text, null staying null."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).cast(pa.string())
    if pa.types.is_floating(column.type):
        is_finite = pc.call_function("is_finite", [column])
        return pc.call_function("if_else", [is_finite, column, NO_NUMBER]).cast(pa.string())
    # Titles, kinds and sources repeat: each distinct text is escaped once.
    coded = column.dictionary_encode()
    escaped = [msgspec.json.encode(v) for v in coded.dictionary.to_pylist()]
    ends = np.cumsum([0, *map(len, escaped)], dtype=np.int32)
    texts = pa.StringArray.from_buffers(
        len(escaped), pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(escaped))
    )
    return texts.take(coded.indices)


def _hex(ids: Ids) -> Any:
    data = ids.tobytes().hex().encode()
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets.tobytes()), pa.py_buffer(data))


def _bounds(lines: bytes | memoryview) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == 10) + 1
    return np.concatenate([[0], ends[:-1]]).astype(np.int64), ends


def _hex_at(lines: bytes | memoryview, at: int) -> Ids:
    if not len(lines):
        return np.empty(0, "S16")
    starts, _ = _bounds(lines)
    digits = np.frombuffer(lines, np.uint8)[(starts + at)[:, None] + np.arange(32)]
    return np.frombuffer(bytes.fromhex(digits.tobytes().decode()), "S16").copy()
