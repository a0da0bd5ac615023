"""Counts: the sums over members that a model is made of, all of them integers.

Runs under Training. Adding members and taking them out commute and are exact: the counts after any sequence
are bit-identical to a rebuild from the members that are left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from postreel.errors import InputError
from postreel.recommend.contributions import VALUE_BITS, Contributions, Vocabulary
from postreel.recommend.settings import RecommendSettings

GRAM_UNIT = 2.0 ** (-2 * VALUE_BITS)
"""What one unit of the integer Gram is worth."""
DAY_BITS = 20
"""Low bits of a trend key, holding the day."""
_PAIRS_A_CHUNK = 8_000_000


def title_counts(parts: Contributions, size: int) -> NDArray[np.int64]:
    """(size,) members who liked each title."""
    return np.bincount(parts.titles, minlength=size).astype(np.int64)


def head_of(title_count: NDArray[np.int64], settings: RecommendSettings) -> NDArray[np.int32]:
    """Indices, ascending, of the titles that the Gram holds: those liked by at least `pair_floor` members.

    Fewer can never pass the pair floor. Above `head_limit` the most watched are taken, ties by title id.
    """
    able = np.flatnonzero(title_count >= settings.pair_floor)
    if len(able) > settings.head_limit:
        able = able[np.argsort(-title_count[able], kind="stable")[: settings.head_limit]]
    return np.sort(able).astype(np.int32)


@dataclass
class Counts:
    """Sums over the members that were added.

    Attributes:
        vocabulary: the titles; V of them.
        head: (h,) int32 indices of the titles in the Gram, fixed when the counts were begun.
        pair_floor: the floor that the head was chosen for.
        gram: (h, h) int64, sum of y y'; one unit is GRAM_UNIT.
        pair_count: (h, h) int32, members who liked both.
        title_count: (V,) int64, members who liked each.
        trend_key: (t,) int64 ascending, title << DAY_BITS | day.
        trend_count: (t,) int64 likes of that title with their latest event on that day; above 0.
        member_count: members added.
    """

    vocabulary: Vocabulary
    head: NDArray[np.int32]
    pair_floor: int
    gram: NDArray[np.int64]
    pair_count: NDArray[np.int32]
    title_count: NDArray[np.int64]
    trend_key: NDArray[np.int64]
    trend_count: NDArray[np.int64]
    member_count: int

    @classmethod
    def empty(cls, vocabulary: Vocabulary, head: NDArray[np.int32], pair_floor: int) -> Counts:
        """Counts of nobody."""
        size, none = len(head), np.empty(0, np.int64)
        return cls(
            vocabulary,
            head,
            pair_floor,
            np.zeros((size, size), np.int64),
            np.zeros((size, size), np.int32),
            np.zeros(len(vocabulary), np.int64),
            none,
            none,
            0,
        )

    def copied(self) -> Counts:
        """The same, in memory of their own, so that they can be changed."""
        arrays, texts = self.to_parts()
        return Counts.from_parts(arrays.__getitem__, texts.__getitem__)

    def without_pairs(self) -> Counts:
        """Title and trend counters alone, as a copy: what popularity and trends rest on."""
        some = Counts.empty(self.vocabulary, self.head[:0], self.pair_floor)
        return replace(
            some,
            title_count=np.array(self.title_count),
            trend_key=np.array(self.trend_key),
            trend_count=np.array(self.trend_count),
            member_count=self.member_count,
        )

    def add(self, parts: Contributions) -> None:
        """Put these members in. Each must not be in already; the roster knows.

        Raises:
            InputError: the parts belong to another vocabulary.
        """
        self._apply(parts, 1)

    def take_out(self, parts: Contributions) -> None:
        """Take these members out, with the parts that were put in.

        Raises:
            InputError: another vocabulary, or more than is in; the counts are as they were.
        """
        self._apply(parts, -1)

    def _apply(self, parts: Contributions, sign: int) -> None:
        if parts.vocabulary != self.vocabulary.digest:
            raise InputError("these contributions belong to another model's vocabulary; nothing was changed")
        titles = self.title_count + sign * title_counts(parts, len(self.vocabulary))
        keys, counts = _merged(self.trend_key, self.trend_count, parts, sign)
        if np.any(titles < 0) or np.any(counts < 0) or self.member_count + sign * len(parts) < 0:
            raise InputError(f"{len(parts)} members are not all in these counts; nothing was taken out")
        self.title_count, self.trend_key, self.trend_count = titles, keys, counts
        self.member_count += sign * len(parts)
        place = np.full(len(self.vocabulary), -1, np.int64)
        place[self.head] = np.arange(len(self.head))
        for values in _chunks(parts, place, len(self.head)):
            _add_product(self.gram, values, sign)
            values.data[:] = 1
            _add_product(self.pair_count, values, sign)

    @property
    def active(self) -> NDArray[np.int64]:
        """Places in the head of the titles that still reach the pair floor. The solve sees only these."""
        return np.flatnonzero(self.title_count[self.head] >= self.pair_floor)

    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all that a model can depend on.

        Head titles that fell below the floor are left out, so counts from which members were taken out and
        counts rebuilt from those who are left, with a smaller head, have one digest.
        """
        active = self.active
        square = np.ix_(active, active)
        whole = hashlib.sha256(self.vocabulary.digest.encode())
        for array in (
            self.head[active].astype("<i4"),
            self.gram[square].astype("<i8"),
            self.pair_count[square].astype("<i4"),
            self.title_count.astype("<i8"),
            self.trend_key.astype("<i8"),
            self.trend_count.astype("<i8"),
            np.array([self.member_count, self.pair_floor], "<i8"),
        ):
            whole.update(np.ascontiguousarray(array).data)
        return whole.hexdigest()

    def to_parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, bytes]]:
        """Arrays and texts for a model's directory; `from_parts` reads them. Keys begin with `counts_`."""
        arrays: dict[str, NDArray[Any]] = {
            "counts_head": self.head,
            "counts_gram": self.gram,
            "counts_pair_count": self.pair_count,
            "counts_title_count": self.title_count,
            "counts_trend_key": self.trend_key,
            "counts_trend_count": self.trend_count,
            "counts_sizes": np.array([self.member_count, self.pair_floor], np.int64),
        }
        return arrays, {"counts_vocabulary": self.vocabulary.to_json()}

    @classmethod
    def from_parts(
        cls,
        array: Callable[[str], NDArray[Any]],
        text: Callable[[str], bytes],
        *,
        is_mapped: bool = False,
    ) -> Counts:
        """Counts as `to_parts` gave them, copied so that they can be changed; or mapped, to be looked at."""

        def own(key: str) -> NDArray[Any]:
            found = array(f"counts_{key}")
            return found if is_mapped else np.array(found)

        sizes = own("sizes")
        return cls(
            vocabulary=Vocabulary.from_json(text("counts_vocabulary")),
            head=own("head"),
            pair_floor=int(sizes[1]),
            gram=own("gram"),
            pair_count=own("pair_count"),
            title_count=own("title_count"),
            trend_key=own("trend_key"),
            trend_count=own("trend_count"),
            member_count=int(sizes[0]),
        )


def _merged(
    keys: NDArray[np.int64], counts: NDArray[np.int64], parts: Contributions, sign: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The trend counters with these parts in or out, in their one canonical form."""
    timed = parts.days >= 0
    new = (parts.titles[timed].astype(np.int64) << DAY_BITS) | parts.days[timed]
    merged, inverse = np.unique(np.concatenate([keys, new]), return_inverse=True)
    sums = np.zeros(len(merged), np.int64)
    np.add.at(sums, inverse, np.concatenate([counts, np.full(len(new), sign, np.int64)]))
    kept = sums != 0
    return merged[kept], sums[kept]


def _chunks(parts: Contributions, place: NDArray[np.int64], size: int) -> Iterator[Any]:
    """Sparse int64 matrices (members, head) of values, cut so that a product stays small in memory."""
    where = place[parts.titles]
    kept = where >= 0
    rows, columns, values = parts.rows[kept], where[kept], parts.values[kept].astype(np.int64)
    sizes = np.bincount(rows, minlength=len(parts)).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    pairs = np.concatenate([[0], np.cumsum(sizes**2)])
    begin = 0
    while begin < len(parts):
        end = int(np.searchsorted(pairs, pairs[begin] + _PAIRS_A_CHUNK, "right")) - 1
        end = min(max(end, begin + 1), len(parts))
        a, b = int(starts[begin]), int(starts[end])
        if b > a:
            indptr = starts[begin : end + 1] - a
            yield sparse.csr_array((values[a:b].copy(), columns[a:b], indptr), shape=(end - begin, size))
        begin = end


def _add_product(total: NDArray[Any], values: Any, sign: int) -> None:
    """total += sign * values' values, in place. scipy multiplies int64 in int64, so sums are exact."""
    product = (values.T @ values).tocsr()
    rows = np.repeat(np.arange(product.shape[0]), np.diff(product.indptr))
    # Each (row, column) occurs once in a product, so indexed addition adds every entry.
    total[rows, product.indices] += (sign * product.data).astype(total.dtype)
