"""Variety: how much of a catalogue lists show, how true to a member's mix of genres, how different within.

Arithmetic over lists of titles, under the purpose of whoever made them. Used by `evaluate` and by `rerank`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.recommend.counts import Counts

SMOOTHING = 0.01
"""alpha of q~ = (1 - alpha) q + alpha p (Steck 2018, "Calibrated Recommendations", eq. 7)."""


def coverage(ranked: NDArray[np.int64], is_item: NDArray[np.bool_], depth: int) -> float:
    """Share of the titles that could be shown which stand in the first `depth` of any list."""
    shown = ranked[:, :depth]
    return len(np.unique(shown[shown >= 0])) / max(1, int(is_item.sum()))


def mixes(liked: Any, genres: Any) -> NDArray[np.float64]:
    """(m, G) each member's mix of genres, by weight; all 0 where none is known."""
    mix = np.asarray((liked @ genres).toarray(), np.float64)
    total = mix.sum(axis=1, keepdims=True)
    return np.divide(mix, total, out=np.zeros_like(mix), where=total > 0)


def divergence(mix: NDArray[np.float64], shown: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...,) C_KL = KL(p || q~) of mixes of genres along the last axis (Steck 2018, eq. 6)."""
    smooth = (1.0 - SMOOTHING) * shown + SMOOTHING * mix
    ratio = np.divide(mix, smooth, out=np.ones_like(smooth), where=(mix > 0) & (smooth > 0))
    return np.sum(mix * np.log(ratio), axis=-1)


def calibration(liked: Any, genres: Any, ranked: NDArray[np.int64], depth: int) -> float | None:
    """Mean C_KL of the first `depth` titles, over members whose history has genres; None without any."""
    mix = mixes(liked, genres)
    shown = ranked[:, :depth]
    listed = np.zeros_like(mix)
    for place in range(shown.shape[1]):
        has = np.flatnonzero(shown[:, place] >= 0)
        listed[has] += genres[shown[has, place]].toarray()
    total = listed.sum(axis=1, keepdims=True)
    listed = np.divide(listed, total, out=np.zeros_like(listed), where=total > 0)
    told = (mix.sum(axis=1) > 0) & (total[:, 0] > 0)
    return float(divergence(mix[told], listed[told]).mean()) if told.any() else None


def list_distance(counts: Counts, ranked: NDArray[np.int64], depth: int) -> float | None:
    """Mean of 1 - cosine of co-watching over all pairs of titles within each list; None for lists of one.

    The cosine is the number of members who liked both over the root of the product of those who liked each;
    0 for titles that too few liked to be in the Gram.
    """
    place = np.full(len(counts.vocabulary), -1, np.int64)
    place[counts.head] = np.arange(len(counts.head))
    length = np.sqrt(np.maximum(counts.title_count[counts.head], 1).astype(np.float64))
    sums: list[float] = []
    for row in ranked[:, :depth]:
        listed = row[row >= 0]
        if len(listed) < 2:
            continue
        at = place[listed]
        at = at[at >= 0]
        near = counts.pair_count[np.ix_(at, at)] / np.outer(length[at], length[at])
        pairs = len(listed) * (len(listed) - 1)
        sums.append(1.0 - float(near.sum() - np.trace(near)) / pairs)
    return float(np.mean(sums)) if sums else None
