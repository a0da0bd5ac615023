"""Correct: the solve without some members, from the solve with them; exact, and at once.

Runs under Training. Taking members out changes G + Lam by a block among the titles they liked: with Y their parts
and s = p / (1 - p), S = Y' Y + s diag(Y' Y). Titles that fall below the pair floor leave first (the inverse of a
principal submatrix), then, by Woodbury's identity, with T the titles that were touched,

    P' = P + P_T S (I - P_TT S)^-1 P_T'

which takes 2 a^2 |T| operations instead of the a^3 of a solve. With a ridge above 0, I - P_TT S never is singular.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from postreel.recommend.contributions import Contributions
from postreel.recommend.counts import GRAM_UNIT, Counts
from postreel.recommend.settings import RecommendSettings


def corrected_inverse(
    inverse: NDArray[np.float64],
    active: NDArray[np.int64],
    counts: Counts,
    removed: Iterable[Contributions],
    settings: RecommendSettings,
) -> NDArray[np.float64]:
    """(a', a') P of the counts that are left, as `inverse_of` gives it up to rounding.

    Args:
        inverse: (a, a) P of the counts before the removal.
        active: (a,) `counts.active` before it.
        counts: after it.
        removed: what was taken out.
    """
    kept = np.isin(active, counts.active)
    left = _without_titles(inverse, np.flatnonzero(~kept), np.flatnonzero(kept))
    touched, block = _change(counts, removed)
    if len(touched) == 0:
        return left
    block[np.diag_indices_from(block)] *= 1.0 + settings.dropout / (1.0 - settings.dropout)
    columns = left[:, touched]
    core = np.linalg.solve(np.eye(len(touched)) - block @ columns[touched], block)
    # Symmetric but for rounding; made so, since P is.
    left += columns @ (0.5 * (core + core.T)) @ columns.T
    return left


def _without_titles(
    inverse: NDArray[np.float64], gone: NDArray[np.int64], kept: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The inverse of the matrix without these rows and columns. Always a copy."""
    if len(gone) == 0:
        return np.array(inverse)
    across = inverse[np.ix_(gone, kept)]
    return inverse[np.ix_(kept, kept)] - across.T @ np.linalg.solve(inverse[np.ix_(gone, gone)], across)


def _change(
    counts: Counts, removed: Iterable[Contributions]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(t,) places among the active titles of those that were touched, and (t, t) what the Gram lost there."""
    active = counts.active
    place = np.full(len(counts.vocabulary), -1, np.int64)
    place[counts.head[active]] = np.arange(len(active))
    total = sparse.csr_array((len(active), len(active)), dtype=np.int64)
    for parts in removed:
        where = place[parts.titles]
        is_in = where >= 0
        cells = (parts.rows[is_in], where[is_in])
        values = sparse.csr_array(
            (parts.values[is_in].astype(np.int64), cells), shape=(len(parts), len(active))
        )
        total = total + values.T @ values
    touched = np.flatnonzero(total.diagonal())
    return touched, total[touched][:, touched].toarray() * GRAM_UNIT
