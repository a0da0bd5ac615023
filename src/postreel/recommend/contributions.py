"""Contributions: what each member adds to the counts, as a pure function of that member's own rows.

Runs under Training. The gate keeps each member's part, encrypted, as the model's roster, so that what is taken
out later is what was put in, to the bit.

A member with n liked titles has weight w = n^-0.5 (so that a heavy viewer does not drown the others), and their
block of the Gram is w x x'. It is kept in fixed point as the outer product of ONE integer vector,
y = round(n^-0.25 x 2^16): the block is an integer matrix of rank one, sums of blocks are exact in any order,
and a low-rank correction of the solve stays exact too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.compute import SetLookupOptions, call_function

from postreel.catalogue import Catalogue
from postreel.errors import InputError
from postreel.schema import Ids, Mask, Tastes

VALUE_BITS = 16
"""A value of 1.0 is 2^16; an entry of the Gram is in units of 2^-32, which leaves room for 2^31 members."""
NO_DAY = -1
"""The day of a row without a time; it takes no part in trends."""

_HEAD = np.dtype([("form", "<u2"), ("bits", "<u2"), ("count", "<u4"), ("vocabulary", "S8")])
_ROW = np.dtype([("title", "<i4"), ("value", "<i4"), ("day", "<i4")])
_FORM = 1


@dataclass(frozen=True)
class Vocabulary:
    """The shows of a model, in the order of their ids: films and series, with the seasons and episodes of the latter.

    What is told of an episode counts for its series. A show's index is its place here, as long as the model lives.
    The list is the catalogue's, whoever watched what, so it holds nothing of a member's.

    Attributes:
        ids: of the shows, sorted.
        parts: ids of seasons and episodes whose series is a show, sorted.
        owners: the index of the series of each part.
    """

    ids: tuple[str, ...]
    parts: tuple[str, ...] = ()
    owners: tuple[int, ...] = ()

    @classmethod
    def of(cls, catalogue: Catalogue) -> Vocabulary:
        """The shows of this catalogue. A part whose series it does not hold stands for itself."""
        series_of = {t.title_id: t.series_id for t in catalogue if t.series_id and t.series_id in catalogue}
        ids = tuple(i for i in catalogue.ids if i not in series_of)
        place = {title_id: i for i, title_id in enumerate(ids)}
        parts = tuple(i for i in catalogue.ids if series_of.get(i) in place)
        return cls(ids, parts, tuple(place[series_of[i]] for i in parts))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the list, in hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @cached_property
    def _arrow(self) -> Any:
        return pa.array([*self.ids, *self.parts], pa.string())

    @cached_property
    def _shows(self) -> NDArray[np.int64]:
        """(V + parts + 1,) the show of each place; -1 for the last, which stands for what is unknown."""
        return np.array([*range(len(self.ids)), *self.owners, -1], np.int64)

    def places(self, title_ids: Any) -> NDArray[np.int64]:
        """(n,) the place of each title of an Arrow column among `ids` and then `parts`; -1 where it is in neither."""
        column = title_ids.combine_chunks() if isinstance(title_ids, pa.ChunkedArray) else title_ids
        return places_in(column, self._arrow)

    def shows(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) the index of the show at each place; -1 for -1."""
        return self._shows[places]

    def index(self, title_ids: Any) -> NDArray[np.int64]:
        """(n,) the index of the show that each title of an Arrow column is or belongs to; -1 where unknown."""
        return self.shows(self.places(title_ids))

    def to_json(self) -> bytes:
        """A JSON list: the ids of the shows, those of the parts, and the parts' owners."""
        whole = [self.ids, self.parts, self.owners]
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Vocabulary:
        """A vocabulary as `to_json` wrote it."""
        ids, parts, owners = json.loads(text)
        return cls(tuple(ids), tuple(parts), tuple(owners))


@dataclass(frozen=True)
class Contributions:
    """The parts of several members, flat.

    Attributes:
        members: (m,) sorted ids, those with at least one liked title.
        offsets: (m + 1,) int64; member u has the rows from offsets[u] to offsets[u + 1].
        titles: (n,) int32 index in the vocabulary, ascending within a member.
        values: (n,) int32 fixed point, y of the module's docstring; above 0.
        days: (n,) int32 days since 1970 of the latest event, or NO_DAY.
        vocabulary: digest of the vocabulary that the indices belong to.
    """

    members: Ids
    offsets: NDArray[np.int64]
    titles: NDArray[np.int32]
    values: NDArray[np.int32]
    days: NDArray[np.int32]
    vocabulary: str

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the number of the member of each row."""
        return np.repeat(np.arange(len(self.members)), np.diff(self.offsets))

    def where(self, mask: Mask) -> Contributions:
        """The parts of the members whose flag is set."""
        kept = mask[self.rows]
        sizes = np.diff(self.offsets)[mask]
        return Contributions(
            self.members[mask],
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            self.titles[kept],
            self.values[kept],
            self.days[kept],
            self.vocabulary,
        )

    def packed(self) -> list[bytes]:
        """Each member's part as bytes, in the order of `members`: a header of 16 bytes, then 12 bytes a title."""
        rows = np.empty(len(self.titles), _ROW)
        rows["title"], rows["value"], rows["day"] = self.titles, self.values, self.days
        body = rows.tobytes()
        heads = np.empty(len(self.members), _HEAD)
        heads["form"], heads["bits"], heads["count"] = _FORM, VALUE_BITS, np.diff(self.offsets)
        heads["vocabulary"] = self.vocabulary[:8].encode()
        ends = (self.offsets * _ROW.itemsize).tolist()
        return [heads[u].tobytes() + body[a:b] for u, (a, b) in enumerate(itertools.pairwise(ends))]

    @classmethod
    def unpacked(cls, members: Ids, parts: Sequence[bytes], vocabulary: Vocabulary) -> Contributions:
        """The contributions that `packed` wrote; the members in any order.

        Raises:
            InputError: a part is cut or of another form, or belongs to another model's vocabulary.
        """
        order = np.argsort(members, kind="stable")
        chosen = [parts[i] for i in order]
        bad = sum(not _is_whole(p, vocabulary) for p in chosen)
        if bad or len(parts) != len(members):
            raise InputError(
                f"{bad} of {len(parts)} stored contributions are damaged or belong to another model; "
                "rebuild the model from sessions"
            )
        body = b"".join(p[_HEAD.itemsize :] for p in chosen)
        rows = np.frombuffer(body, _ROW)
        sizes = [(len(p) - _HEAD.itemsize) // _ROW.itemsize for p in chosen]
        return cls(
            members[order],
            np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
            rows["title"].astype(np.int32),
            rows["value"].astype(np.int32),
            rows["day"].astype(np.int32),
            vocabulary.digest,
        )


def places_in(column: Any, values: Any) -> NDArray[np.int64]:
    """(n,) the place in the Arrow array `values` of each element of an Arrow array; -1 where it is not there."""
    found: Any = call_function("index_in", [column], SetLookupOptions(value_set=values))
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def _is_whole(part: bytes, vocabulary: Vocabulary) -> bool:
    if len(part) < _HEAD.itemsize:
        return False
    head = np.frombuffer(part, _HEAD, count=1)[0]
    return bool(
        head["form"] == _FORM
        and head["bits"] == VALUE_BITS
        and head["vocabulary"] == vocabulary.digest[:8].encode()
        and len(part) == _HEAD.itemsize + int(head["count"]) * _ROW.itemsize
    )


def contributions(tastes: Tastes, vocabulary: Vocabulary) -> Contributions:
    """Each member's part of the counts, from their own rows alone.

    Episodes count once, for their series: with the highest weight and the latest day of them.

    Args:
        tastes: all rows of each member in it, in any order; rows of weight 0 and of unknown titles add nothing.
        vocabulary: the model's titles.

    Raises:
        InputError: a weight outside [0, 1], or two rows of one member and title.
    """
    places = vocabulary.places(tastes.table.column("title_id"))
    weight = checked_weights(tastes)
    kept = np.flatnonzero((weight > 0) & (places >= 0))
    members, places, weight = tastes.members[kept], places[kept], weight[kept]
    days = days_of(tastes.column("last_at")[kept])
    _, code = np.unique(members, return_inverse=True)
    refuse_repeats(code, places)
    shows = vocabulary.shows(places)
    first = np.lexsort((shows, code))
    begins = np.flatnonzero(
        (np.diff(code[first], prepend=-1) != 0) | (np.diff(shows[first], prepend=-1) != 0)
    )
    if len(begins) == 0:
        return contributions_of(members, shows, weight, days, vocabulary.digest)
    return contributions_of(
        members[first][begins],
        shows[first][begins],
        np.maximum.reduceat(weight[first], begins),
        np.maximum.reduceat(days[first], begins),
        vocabulary.digest,
    )


def refuse_repeats(members: NDArray[np.int64], places: NDArray[np.int64]) -> None:
    """Raise InputError where a member (by number) and title occur twice."""
    order = np.lexsort((places, members))
    twice = int(np.count_nonzero((np.diff(members[order]) == 0) & (np.diff(places[order]) == 0)))
    if twice:
        raise InputError(f"{twice} tastes repeat a member and title; give one row for each")


def contributions_of(
    members: Ids,
    titles: NDArray[np.int64],
    weights: NDArray[np.float64],
    days: NDArray[np.int32],
    vocabulary: str,
) -> Contributions:
    """As `contributions`, from arrays of one length: liked titles only, each weight in (0, 1].

    Raises:
        InputError: two rows of one member and title.
    """
    ids, code = np.unique(members, return_inverse=True)
    order = np.lexsort((titles, code))
    code, title = code[order], titles[order]
    refuse_repeats(code, title)
    count = np.bincount(code, minlength=len(ids))
    # Two square roots instead of a power: IEEE 754 rounds a square root exactly, so every machine agrees.
    scale = 1.0 / np.sqrt(np.sqrt(count[code].astype(np.float64)))
    value = np.maximum(np.rint(scale * weights[order] * (1 << VALUE_BITS)), 1).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return Contributions(ids, offsets, title.astype(np.int32), value, days[order], vocabulary)


def checked_weights(tastes: Tastes) -> NDArray[np.float64]:
    """(n,) weights, 0 for null.

    Raises:
        InputError: one lies outside [0, 1].
    """
    weight = np.nan_to_num(np.asarray(tastes.column("weight"), np.float64))
    bad = int(np.count_nonzero((weight < 0) | (weight > 1)))
    if bad:
        raise InputError(
            f"{bad} of {len(weight)} taste weights lie outside [0, 1]; correct how they are made"
        )
    return weight


def days_of(times: NDArray[Any]) -> NDArray[np.int32]:
    """(n,) whole days since 1970 of `datetime64` times; NO_DAY where there is none."""
    days = times.astype("datetime64[D]")
    known = ~np.isnat(days)
    whole = np.where(known, days.astype(np.int64), NO_DAY)
    return np.maximum(whole, NO_DAY).astype(np.int32)
