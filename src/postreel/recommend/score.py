"""Scores: from members' tastes and a model to one number a member and title, and to the best few.

Runs under Recommendations. Arrays only; `picks` makes the table. Everything is summed in the order of the
titles' ids through sparse products, so a member's scores depend on neither row order nor who shares the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from postreel.errors import InputError
from postreel.recommend.contributions import Vocabulary, checked_weights, places_in, refuse_repeats
from postreel.recommend.correct import CorrectedMatrix
from postreel.recommend.model import Model
from postreel.schema import Ids, Mask, Tastes

EVIDENCE = ("watched", "rated", "listed")
"""What a taste rests on, as reasons say it."""

NOISE = 1e-12
"""What rounding may leave of a sum that is 0."""


@dataclass(frozen=True)
class History:
    """Tastes as matrices.

    Attributes:
        members: (m,) sorted ids.
        liked: sparse (m, V) weights above 0, indices ascending.
        evidence: (nnz,) index into EVIDENCE, one an entry of `liked`.
        seen_rows, seen_titles: (s,) pairs of a member's number and a show's index that were seen, or any part of it.
        part_rows, part_places, part_times: (q,) member's number, index in the vocabulary's `parts` and time in
            microseconds of each season or episode that was seen.
    """

    members: Ids
    liked: Any
    evidence: NDArray[np.int64]
    seen_rows: NDArray[np.int64]
    seen_titles: NDArray[np.int64]
    part_rows: NDArray[np.int64]
    part_places: NDArray[np.int64]
    part_times: NDArray[np.int64]


def history_of(tastes: Tastes, vocabulary: Vocabulary) -> History:
    """The tastes of each member as matrices over the vocabulary; titles outside it are left out.

    Episodes count once, for their series, with the strongest of them.

    Raises:
        InputError: a weight outside [0, 1], an evidence that is not in EVIDENCE, a member and title twice.
    """
    table = tastes.table
    place = vocabulary.places(table.column("title_id"))
    title = vocabulary.shows(place)
    weight = checked_weights(tastes)
    members, row = np.unique(tastes.members, return_inverse=True)
    evidence = places_in(table.column("evidence").combine_chunks(), pa.array(EVIDENCE))
    if np.any(evidence < 0):
        raise InputError(
            f"the evidence of a taste is one of {', '.join(EVIDENCE)}; correct how tastes are made"
        )
    is_seen = np.asarray(table.column("is_seen").fill_null(True).to_numpy(), np.bool_) & (title >= 0)
    kept = np.flatnonzero((weight > 0) & (title >= 0))
    refuse_repeats(row[kept], place[kept])
    kept = kept[np.lexsort((place[kept], -weight[kept], title[kept], row[kept]))]
    is_first = (np.diff(row[kept], prepend=-1) != 0) | (np.diff(title[kept], prepend=-1) != 0)
    kept = kept[is_first]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(members)))])
    shape = (len(members), len(vocabulary))
    liked = sparse.csr_array((weight[kept], title[kept], indptr), shape=shape)
    is_part = is_seen & (place >= len(vocabulary))
    times = tastes.column("last_at").astype("datetime64[us]").astype(np.int64)
    return History(
        members,
        liked,
        evidence[kept],
        row[is_seen],
        title[is_seen],
        row[is_part],
        place[is_part] - len(vocabulary),
        times[is_part],
    )


def scores(liked: Any, model: Model) -> NDArray[np.float64]:
    """(m, V) score of every title: (x M + content_weight ((x F) F' - x) demand + bias) times lift.

    Without a liked title the bias alone is left, which is the same for everybody.

    Args:
        liked: sparse (m, V) weights. The subtracted x takes out each title's likeness to itself.
    """
    is_corrected = isinstance(model.matrix, CorrectedMatrix)
    total = model.matrix.added(liked) if is_corrected else (liked @ model.matrix).toarray()
    weight = model.settings.content_weight
    if weight and model.features.nnz:
        total += weight * ((liked @ model.features) @ model.features.T).toarray() * model.demand
        own = liked.tocoo()
        total[own.row, own.col] -= weight * own.data * (has_facts(model) * model.demand)[own.col]
    total += model.bias
    total *= model.lift
    return total


def ranking_keys(score: NDArray[np.float64], model: Model) -> NDArray[np.float64]:
    """(m, V) what titles are ranked by, highest first: scores above 0, then negative numbers for popular ones.

    A title has a score where the member's own titles speak for it on the whole: being popular alone does not
    count as one, so that whatever is ranked by score has a reason to be named.
    """
    rank = np.empty(len(model.vocabulary), np.int64)
    rank[model.popular] = np.arange(len(rank))
    return np.where((score - model.bias * model.lift > NOISE) & (score > 0), score, -1.0 - rank)


def has_facts(model: Model) -> Mask:
    """(V,) whether the catalogue told anything of each title that another shares."""
    return np.diff(model.features.indptr) > 0


def best_of(key: NDArray[np.float64], allowed: Mask, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The k best titles of each row: (p,) row numbers ascending, and titles best first.

    By `ranking_keys`, which are changed here; ties by title id.
    """
    size = key.shape[1]
    width = min(size, k)
    if width == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    key[~allowed] = -np.inf
    threshold = np.partition(key, size - width, axis=1)[:, size - width]
    rows, titles = np.nonzero((key >= threshold[:, None]) & allowed)
    order = np.lexsort((titles, -key[rows, titles], rows))
    rows, titles = rows[order], titles[order]
    kept = place_within(rows) < k
    return rows[kept], titles[kept]


def place_within(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) 0, 1, 2 … within each run of equal values of a sorted array."""
    count = len(groups)
    begins = np.flatnonzero(np.diff(groups, prepend=-1) != 0) if count else np.empty(0, np.int64)
    return np.arange(count) - np.repeat(begins, np.diff(np.append(begins, count)))
