"""What erasing, cutting and keeping do to a file or to a block of the spool.

Used by `FileEvents` alone, under its lock.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from postreel.backends.events.lines import lines_of, lines_where, members_of, plays_of
from postreel.backends.events.tables import put_table, read_ids, read_table
from postreel.schema import Ids, Plays, Rows, ids_of, is_among

pc: Any = pyarrow.compute  # its functions are made at run time; a type checker cannot see them

STAMPS = (pa.field("_position", pa.int64()), pa.field("_under", pa.string()))
"""Beside each derived row: the ledger position and the purpose that it was kept under."""


def stamped(rows: Rows, position: int, under: str) -> pa.Table:
    """The rows with the stamps beside them."""
    count = len(rows)
    whole = rows.table.append_column(STAMPS[0], pa.array(np.full(count, position), pa.int64()))
    return whole.append_column(STAMPS[1], pa.repeat(pa.scalar(under, pa.string()), count))


def without(block: memoryview, members: Ids) -> tuple[bytes, int]:
    """The lines of other members, and how many went."""
    is_gone = is_among(members_of(block), members)
    count = int(np.count_nonzero(is_gone))
    return (lines_where(block, ~is_gone) if count else bytes(block)), count


def uncoupled(block: memoryview, members: Ids) -> tuple[bytes, int]:
    """The lines with these members' `device_id` left out, and how many changed."""
    if not is_among(members_of(block), members).any():
        return bytes(block), 0
    table, count = _cut(plays_of(block).table, members)
    return (lines_of(Plays(table)) if count else bytes(block)), count


def erase_from(path: Path, members: Ids) -> int:
    """Rewrite the file without these members' rows. Returns how many went."""
    is_gone = is_among(read_ids(path, "member"), members)
    count = int(np.count_nonzero(is_gone))
    if count:
        put_table(path, read_table(path, _schema(path)).filter(pa.array(~is_gone)))
    return count


def cut_in(path: Path, members: Ids) -> int:
    """Rewrite the file with these members' `device_id` null. Returns how many rows changed."""
    if not is_among(read_ids(path, "member"), members).any():
        return 0
    table, count = _cut(read_table(path, Plays.SCHEMA), members)
    if count:
        put_table(path, table)
    return count


def _cut(table: pa.Table, members: Ids) -> tuple[pa.Table, int]:
    devices = table.column("device_id")
    is_cut = pc.and_(pa.array(is_among(ids_of(table.column("member")), members)), devices.is_valid())
    at = table.schema.get_field_index("device_id")
    cut = pc.if_else(is_cut, pa.scalar(None, pa.string()), devices)
    return table.set_column(at, table.schema.field(at), cut), int(pc.sum(is_cut).as_py() or 0)


def _schema(path: Path) -> pa.Schema:
    return pq.read_schema(path)
