"""Parquet files of members' rows: written whole, read by member.

Used by `FileEvents`, which answers for the purpose. Rows lie sorted by member (then by time), in groups of at most
16,384 rows whose least and greatest member stand in the file's footer, so that one member's rows are found
without reading the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from postreel.backends.disk import remove_files, replace_file
from postreel.errors import InputError
from postreel.schema import STORED, Ids, Rows, ids_of, is_among

GROUP_ROWS = 16_384
LATE_US = 62 * 86_400_000_000
"""An event that came later than this after its time is history brought in, and lies under its year."""
NONE = int(np.iinfo(np.int64).min)


def read_table(path: Path, schema: pa.Schema, wanted: Ids | None = None) -> pa.Table:
    """The file's rows in the columns of `schema`, where given those of `wanted` (sorted) alone. No file, no rows."""
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        return schema.empty_table()
    with file:
        groups = list(range(file.num_row_groups)) if wanted is None else _groups_with(file, wanted)
        table = file.read_row_groups(groups, columns=schema.names)
    table = table.select(schema.names).cast(schema)
    if wanted is not None and table.num_rows:
        table = table.filter(pa.array(is_among(ids_of(table.column("member")), wanted)))
    return table


def read_ids(path: Path, name: str) -> Ids:
    """(n,) one column of ids. No file, no ids."""
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        return np.empty(0, "S16")
    with file:
        return ids_of(file.read(columns=[name]).column(name))


def row_count(path: Path) -> int:
    """Rows in the file. No file, no rows."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except FileNotFoundError:
        return 0


def put_table(path: Path, table: pa.Table) -> None:
    """Replace the file by these rows, atomically; without rows it goes.

    Raises:
        TransientError: the disk refused; the old file stands.
    """
    if table.num_rows == 0:
        remove_files([path])
        return
    sink = pa.BufferOutputStream()
    # Event ids are hashes: a dictionary of them would be as long as they are.
    coded: Any = [f.name for f in table.schema if pa.types.is_string(f.type) or f.name == "member"]
    pq.write_table(table, sink, compression="zstd", use_dictionary=coded, row_group_size=GROUP_ROWS)
    replace_file(path, memoryview(sink.getvalue()))


def name_of(table: type[Rows]) -> str:
    """The table's folder: `plays`, `sessions` or `tastes`.

    Raises:
        InputError: the event store does not hold this table.
    """
    if table not in STORED:
        raise InputError(
            f"the event store holds {', '.join(t.__name__ for t in STORED)}, not {table.__name__}"
        )
    return table.__name__.lower()


def by_member(table: pa.Table) -> pa.Table:
    """Events sorted by member, then by time."""
    order = order_of(ids_of(table.column("member")), moments(table, "at"))
    return table.take(pa.array(order)).combine_chunks()


def periods_of(at: NDArray[np.int64], arrived: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the folder of each event: sixteen times the year, and the month (1 to 12) where it came in time."""
    month = at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    year, of_year = np.divmod(month + 1970 * 12, 12)
    is_late = (arrived != NONE) & (arrived.astype(np.float64) - at > LATE_US)
    return np.where((at == NONE) | (year < 1), 0, year * 16 + np.where(is_late, 0, of_year + 1))


def folder_of(period: int) -> str:
    """The name of a period's folder: 2026-11, 2019 or undated."""
    year, month = divmod(period, 16)
    if year == 0:
        return "undated"
    return f"{year:04d}-{month:02d}" if month else f"{year:04d}"


def order_of(members: Ids, *then: NDArray[Any]) -> NDArray[np.int64]:
    """(n,) the row numbers sorted by member, then by the further keys, the most important first; stable."""
    halves = np.ascontiguousarray(members, "S16").view(">u8").reshape(-1, 2).astype(np.uint64)
    return np.lexsort((*reversed(then), halves[:, 1], halves[:, 0]))


def moments(table: pa.Table, name: str) -> NDArray[np.int64]:
    """(n,) a time column in microseconds since 1970; null counts as the earliest of all."""
    return table.column(name).cast(pa.int64()).fill_null(NONE).to_numpy()


def _groups_with(file: Any, wanted: Ids) -> list[int]:
    """The row groups whose range of members meets `wanted`."""
    meta = file.metadata
    at = meta.schema.to_arrow_schema().names.index("member")
    found: list[int] = []
    for i in range(meta.num_row_groups):
        stats = meta.row_group(i).column(at).statistics
        if stats is None or not stats.has_min_max:
            found.append(i)
            continue
        least, most = np.array([stats.min, stats.max], "S16")
        if np.searchsorted(wanted, least, "left") < np.searchsorted(wanted, most, "right"):
            found.append(i)
    return found
