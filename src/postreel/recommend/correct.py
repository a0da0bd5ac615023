"""Correct: the served matrix without some members, from the solve with them; exact, and at once.

Runs under Training. Taking members out changes G + Lam by a block among the titles they liked: with Y their parts
and s = p / (1 - p), S = Y' Y + s diag(Y' Y). Titles that fall below the pair floor leave first (the inverse of a
principal submatrix), then, by Woodbury's identity, with T the titles that were touched,

    P' = P + P_T S (I - P_TT S)^-1 P_T'

With a ridge above 0, I - P_TT S never is singular. A score needs the rows of the member's own titles alone, so
they are worked out as they are asked for: a |T| operations a row instead of the a^3 of a solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from postreel.recommend.contributions import Contributions
from postreel.recommend.counts import GRAM_UNIT, Counts
from postreel.recommend.settings import RecommendSettings

_BLOCK = 512


class CorrectedMatrix:
    """What `served_matrix` is for the counts without some members, up to rounding; rows are made when they are used.

    Args:
        inverse: (a, a) P over the active titles of `before`; may be mapped.
        before: the counts with the members in them; Gram and pairs may be mapped, and are read where needed.
        title_count: (V,) members who liked each title, of those who are left.
        removed: what was taken out.
        features, demand: as `served_matrix` has them, of those who are left.
    """

    def __init__(
        self,
        inverse: NDArray[np.float64],
        before: Counts,
        title_count: NDArray[np.int64],
        removed: Sequence[Contributions],
        features: Any,
        demand: NDArray[np.float64],
        settings: RecommendSettings,
    ) -> None:
        active = before.active
        is_kept = title_count[before.head[active]] >= before.pair_floor
        self._inverse = inverse
        self._pairs = before.pair_count
        self._settings = settings
        self._kept, gone = np.flatnonzero(is_kept), np.flatnonzero(~is_kept)
        self._head = active[self._kept]
        self.titles = before.head[self._head].astype(np.int64)
        """(a',) indices of the titles that are left in the matrix."""
        self._size = len(before.vocabulary)
        self._place = np.full(self._size, -1, np.int64)
        self._place[self.titles] = np.arange(len(self.titles))
        self._features = features[self.titles]
        self._demand = demand[self.titles]
        self._gone = gone
        across = inverse[np.ix_(gone, self._kept)]
        self._over = np.linalg.solve(inverse[np.ix_(gone, gone)], across) if len(gone) else across
        lost, self._lost_pairs = self._changes(removed)
        weight = settings.dropout / (1.0 - settings.dropout)
        self._touched = np.flatnonzero(lost.diagonal())
        block = lost[self._touched][:, self._touched].toarray() * GRAM_UNIT
        block[np.diag_indices_from(block)] *= 1.0 + weight
        self._across = self._left(self._touched)
        inner = self._across[:, self._touched]
        core = np.linalg.solve(np.eye(len(block)) - block @ inner, block)
        # Symmetric but for rounding; made so, since P is.
        self._core = 0.5 * (core + core.T)
        if settings.family == "dlae":
            diagonal = before.gram[self._head, self._head] - lost.diagonal()
            self._scale = settings.ridge + weight * (diagonal * GRAM_UNIT)
        else:
            self._scale = 1.0 / self._diagonal()

    def _changes(self, removed: Sequence[Contributions]) -> tuple[Any, Any]:
        """Sparse (a', a') int64: what the Gram lost, and in how many members each pair of titles."""
        size = len(self.titles)
        gram = pairs = sparse.csr_array((size, size), dtype=np.int64)
        for parts in removed:
            where = self._place[parts.titles]
            is_in = where >= 0
            cells = (parts.rows[is_in], where[is_in])
            shape = (len(parts), size)
            values = sparse.csr_array((parts.values[is_in].astype(np.int64), cells), shape=shape)
            ones = sparse.csr_array((np.ones(len(cells[0]), np.int64), cells), shape=shape)
            gram, pairs = gram + values.T @ values, pairs + ones.T @ ones
        return gram.tocsr(), pairs.tocsr()

    def _left(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k, a') rows of P without the titles that fell below the floor."""
        rows = np.asarray(self._inverse[self._kept[places]])
        if len(self._gone) == 0:
            return rows
        return rows[:, self._kept] - rows[:, self._gone] @ self._over

    def _diagonal(self) -> NDArray[np.float64]:
        """(a',) the diagonal of P'."""
        diagonal = self._inverse[self._kept, self._kept]
        lost = np.sum(self._inverse[np.ix_(self._gone, self._kept)] * self._over, axis=0)
        return diagonal - lost + np.sum(self._across * (self._core @ self._across), axis=0)

    def rows(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k, a') rows of M, of the titles at these places of `titles`."""
        inverse = self._left(places)
        # A row that was touched needs no look of its own: P_T holds every row's own part.
        inverse = inverse + (inverse[:, self._touched] @ self._core) @ self._across
        matrix = -inverse * self._scale
        pairs = self._pairs[self._head[places]][:, self._head] - self._lost_pairs[places].toarray()
        likeness = (self._features[places] @ self._features.T).toarray()
        taken = pairs / (self._settings.content_evidence + pairs)
        matrix -= self._settings.content_weight * taken * likeness * self._demand
        matrix[pairs < self._settings.pair_floor] = 0.0
        matrix[np.arange(len(places)), places] = 0.0
        return matrix

    @cached_property
    def whole(self) -> Any:
        """Sparse (V, V), all rows; made once, where most are needed."""
        blocks: list[Any] = []
        for begin in range(0, len(self.titles), _BLOCK):
            places = np.arange(begin, min(begin + _BLOCK, len(self.titles)))
            row, column = np.nonzero(rows := self.rows(places))
            where = (self.titles[places[row]], self.titles[column])
            blocks.append(sparse.csr_array((rows[row, column], where), shape=(self._size, self._size)))
        made = sum(blocks, sparse.csr_array((self._size, self._size), dtype=np.float64))
        made.sort_indices()
        return made

    def added(self, liked: Any) -> NDArray[np.float64]:
        """(m, V) x M of sparse (m, V) weights."""
        places = self._place[np.unique(liked.indices)]
        places = places[places >= 0]
        if 4 * len(places) > len(self.titles):
            return (liked @ self.whole).toarray()
        total = np.zeros((liked.shape[0], self._size))
        if len(places):
            total[:, self.titles] = liked[:, self.titles[places]] @ self.rows(places)
        return total

    def entries(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) M at these pairs of titles."""
        found = np.zeros(len(rows))
        row, column = self._place[rows], self._place[columns]
        is_in = (row >= 0) & (column >= 0)
        places, inverse = np.unique(row[is_in], return_inverse=True)
        if len(places):
            found[is_in] = self.rows(places)[inverse, column[is_in]]
        return found
