"""What every parser of this room gives: rows without ids, the lines it refused, the titles it learnt of.

A source names a member by text (an alias or an address); ids are looked up by the caller, who may do so only
through the gate, and attached by `plays_of`. Purpose: none yet, since nothing is stored before `gate.admit`.
Used by flows/ingest and the web intake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.catalogue import Title
from postreel.errors import InputError
from postreel.schema import ID, Plays, fixed_binary

TEXT_LIMIT = 500
"""Characters of a refused line that are kept."""

PLAY_FIELDS = pa.schema([f for f in Plays.SCHEMA if f.name != "member"])
"""The columns of `Plays` without `member`."""


@dataclass(frozen=True)
class Refused:
    """A line or an event that could not be used.

    Attributes:
        line: 1-based line of the file, or 1-based place in a batch.
        reason: what is wrong with it, in words.
        text: the line itself, cut at TEXT_LIMIT characters.
    """

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Parsed:
    """What a source said.

    Attributes:
        who: (n,) string: whom each row is about, in the source's words.
        plays: n rows with the columns of PLAY_FIELDS.
        refused: what could not be used, in the order of the source.
        titles: titles that the source itself tells of.
        left_out: rows that are well formed but no viewing (trailers, autoplay), counted by reason.
        lines: (n,) the line of the source that each row came from, where the source has lines.
    """

    who: Any
    plays: pa.Table
    refused: list[Refused] = field(default_factory=list[Refused])
    titles: list[Title] = field(default_factory=list[Title])
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    lines: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self.plays.num_rows)


def plays_of(parsed: Parsed, ids: Mapping[str, bytes]) -> tuple[Plays, NDArray[np.intp]]:
    """The rows of known members with their ids, and the places of the others.

    Args:
        parsed: n rows.
        ids: the member id of each name that the source uses; compared letter by letter.

    Returns:
        The rows whose member is known, in order, and the (k,) row numbers in `parsed` of those that are not.
    """
    if len(parsed) == 0:
        return Plays.empty(), np.empty(0, np.intp)
    coded: Any = parsed.who.combine_chunks() if isinstance(parsed.who, pa.ChunkedArray) else parsed.who
    coded = coded if isinstance(coded, pa.DictionaryArray) else coded.dictionary_encode()
    names: list[str] = coded.dictionary.to_pylist()
    found = [ids.get(name) for name in names]
    codes: NDArray[np.intp] = coded.indices.to_numpy(zero_copy_only=False).astype(np.intp)
    is_known = np.array([f is not None for f in found], np.bool_)[codes]
    members = np.array([f or b"" for f in found], "S16")[codes[is_known]]
    table = parsed.plays.filter(pa.array(is_known)).add_column(
        0, Plays.SCHEMA.field("member"), fixed_binary(members)
    )
    return Plays(table.cast(Plays.SCHEMA)), np.flatnonzero(~is_known)


def plays_table(count: int, **columns: Any) -> pa.Table:
    """A table with the columns of PLAY_FIELDS; those left out are null, and NaN becomes null.

    Raises:
        InputError: a column has another length than `count`.
    """
    arrays: list[Any] = []
    for wanted in PLAY_FIELDS:
        values = columns.get(wanted.name)
        if values is None:
            made: Any = pa.nulls(count, wanted.type)
        elif isinstance(values, str | datetime):
            made = pa.repeat(pa.scalar(values, wanted.type), count)
        elif isinstance(values, np.ndarray) and values.dtype.kind == "S":
            made = fixed_binary(values)
        elif isinstance(values, np.ndarray) and values.dtype.kind == "f":
            made = pa.array(values, wanted.type, mask=np.isnan(values))
        else:
            made = pa.array(values, wanted.type) if not isinstance(values, pa.Array) else values
        if len(made) != count:
            raise InputError(f"column {wanted.name} has {len(made)} rows, expected {count}")
        arrays.append(made)
    return pa.table(arrays, schema=PLAY_FIELDS)


def no_plays(
    refused: Sequence[Refused] = (), titles: Sequence[Title] = (), left_out: Mapping[str, int] | None = None
) -> Parsed:
    """A result without rows."""
    empty = PLAY_FIELDS.empty_table()
    return Parsed(pa.array([], pa.string()), empty, list(refused), list(titles), dict(left_out or {}))


def event_ids(keys: Iterable[bytes]) -> Any:
    """(n,) Arrow array of sixteen-byte event ids: the hash of what makes each event itself.

    The same key always gives the same id, so importing a file again adds nothing. No id ends in a zero byte,
    which numpy's `S16` would trim.
    """
    digests = [blake2b(key, digest_size=16).digest() for key in keys]
    packed = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16).copy()
    packed[:, 15] = np.where(packed[:, 15] == 0, 1, packed[:, 15])
    return pa.FixedSizeBinaryArray.from_buffers(ID, len(packed), [None, pa.py_buffer(packed.tobytes())])


def key_of(*parts: str) -> bytes:
    """These texts as one key, such that different texts never give the same key."""
    return b"".join(len(p := part.encode("utf-8", "replace")).to_bytes(4, "big") + p for part in parts)


def name_id(prefix: str, name: str) -> str:
    """A title id from a name, for sources without ids: the same for names that differ only in case or spaces.

    The name itself is hashed away, because ids appear in addresses of pages and a name would tell what is watched.
    """
    plain = " ".join(name.casefold().split())
    return f"{prefix}-{blake2b(plain.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
