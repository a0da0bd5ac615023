"""Small array tools under sessions and tastes: codes for text, and unions of intervals. No purpose: no meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SPAN = 10_000_000_000
"""More than any position in milliseconds (115 days): what keeps the intervals of two groups apart on one axis."""

NEVER = np.iinfo(np.int64).max


def codes_of(column: Any) -> tuple[Ints, list[Any]]:
    """Each value of an Arrow column as its rank among the column's sorted distinct values.

    Returns:
        (n,) ranks, -1 for null; and the sorted values. Ranks do not depend on the order of rows.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    coded = whole.dictionary_encode()
    values: list[Any] = coded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = np.empty(len(values) + 1, np.int64)
    rank[order] = np.arange(len(values))
    rank[-1] = -1
    indices = coded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return rank[indices], [values[i] for i in order]


def starts_of(groups: Ints) -> Ints:
    """(k,) where each run of equal values begins."""
    if len(groups) == 0:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))


def running_sum(values: Ints, groups: Ints) -> Ints:
    """(n,) sum of a group's values so far, this one included. Groups lie together."""
    if len(values) == 0:
        return values
    total = np.cumsum(values)
    first = starts_of(groups)
    before = np.repeat(total[first] - values[first], np.diff(np.append(first, len(values))))
    return total - before


def running_max(values: Ints, groups: Ints, span: int) -> Ints:
    """(n,) greatest of a group's values so far, this one included.

    Args:
        values: in [0, span).
        groups: rising numbers.
        span: more than any value.
    """
    base = groups * span
    return np.maximum.accumulate(values + base) - base


def earliest_cover(groups: Ints, starts: Ints, ends: Ints, labels: Ints, count: int) -> Ints:
    """How much of the line each label is the first to cover.

    With labels in order of time this is the length that each sitting adds to what was seen before it; with one
    label a group it is the length of the union. A range minimum by doubling: each interval, cut at all ends into
    elementary pieces, writes its label on two overlapping runs of a power of two; the runs are then halved down to
    single pieces. O(n log n), and no loop but the one over powers of two.

    Args:
        groups: (n,) the line that each interval lies on.
        starts, ends: (n,) in [0, SPAN), start below end.
        labels: (n,) in [0, count); the smallest that covers a piece takes it.
        count: how many labels there are.

    Returns:
        (count,) lengths.
    """
    if len(starts) == 0:
        return np.zeros(count, np.int64)
    low, high = groups * SPAN + starts, groups * SPAN + ends
    edges, places = np.unique(np.concatenate((low, high)), return_inverse=True)
    first, last = places[: len(low)], places[len(low) :]
    level = (np.frexp((last - first).astype(np.float64))[1] - 1).astype(np.int64)
    piece = np.full(len(edges), NEVER, np.int64)
    for power in range(int(level.max()), -1, -1):
        at = level == power
        np.minimum.at(piece, first[at], labels[at])
        np.minimum.at(piece, last[at] - (1 << power), labels[at])
        if power:
            half = 1 << (power - 1)
            lower = piece.copy()
            np.minimum(lower[half:], piece[:-half], out=lower[half:])
            piece = lower
    covered = piece[:-1] != NEVER
    lengths = np.diff(edges)[covered]
    # Sums of whole milliseconds stay exact in float64 up to 2**53.
    return np.bincount(piece[:-1][covered], weights=lengths, minlength=count).astype(np.int64)


def first_known(codes: Ints, starts: Sequence[int] | Ints) -> Ints:
    """(k,) the first value of each run that is not -1, or -1."""
    places = np.where(codes >= 0, np.arange(len(codes)), NEVER)
    found = np.minimum.reduceat(places, np.asarray(starts)) if len(codes) else np.empty(0, np.int64)
    return np.where(found == NEVER, -1, codes[np.minimum(found, max(len(codes) - 1, 0))])
