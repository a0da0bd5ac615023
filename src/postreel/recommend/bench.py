"""Benches: one trial made ready to be measured, by the code that serves.

Runs on figures that `learn` may see, or on public data. Used by `tuning`, `evaluate` and `small`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from postreel.catalogue import Catalogue
from postreel.recommend.contributions import Vocabulary, contributions_of, days_of
from postreel.recommend.counts import Counts, head_of
from postreel.recommend.metrics import DEPTH, metrics_of
from postreel.recommend.model import Model
from postreel.recommend.protocols import Interactions, Trial
from postreel.recommend.score import place_within, ranking_keys, scores
from postreel.recommend.settings import RecommendSettings

CHUNK = 512
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a model that is only measured; it enters no score."""


@dataclass(frozen=True)
class Bench:
    """One trial made ready.

    Attributes:
        trial: as cut.
        counts: of its training rows.
        known, targets: sparse (tested, V) weights of what is known, and what should be found.
        is_item: (V,) titles that training knows: the others are not ranked.
    """

    trial: Trial
    counts: Counts
    known: Any
    targets: Any
    is_item: NDArray[np.bool_]


def bench_of(trial: Trial, data: Interactions, catalogue: Catalogue, settings: RecommendSettings) -> Bench:
    """Counts of a trial's training rows, and matrices of its tests. Titles outside the catalogue are left out."""
    vocabulary = Vocabulary.of(catalogue)
    place = {title: i for i, title in enumerate(vocabulary.ids)}
    index = np.array([place.get(t, -1) for t in data.title_ids], np.int64)
    size = len(vocabulary)

    def matrix(rows: NDArray[np.int64], values: NDArray[Any]) -> Any:
        titles = index[data.titles[rows]]
        kept = titles >= 0
        where = (np.searchsorted(trial.tested, data.members[rows]), titles)
        made = sparse.csr_array(
            (values[kept], (where[0][kept], where[1][kept])), shape=(len(trial.tested), size)
        )
        made.sort_indices()
        return made

    rows = trial.train[index[data.titles[trial.train]] >= 0]
    times = np.where(np.isfinite(data.times[rows]), data.times[rows], 0).astype("datetime64[s]")
    days = np.where(np.isfinite(data.times[rows]), days_of(times), -1).astype(np.int32)
    ids = np.char.zfill(data.members[rows].astype(str), 16).astype("S16")
    titles = index[data.titles[rows]]
    parts = contributions_of(ids, titles, data.weights[rows], days, vocabulary.digest)
    title_count = np.bincount(titles, minlength=size).astype(np.int64)
    counts = Counts.empty(vocabulary, head_of(title_count, settings), settings.pair_floor)
    counts.add(parts)
    return Bench(
        trial,
        counts,
        matrix(trial.known, data.weights[trial.known]),
        matrix(trial.targets, np.ones(len(trial.targets), np.bool_)),
        title_count > 0,
    )


def ranked_lists(bench: Bench, keys: Iterator[NDArray[np.float64]]) -> NDArray[np.int64]:
    """(m, DEPTH) titles, best first, from chunks of (rows, V) keys, highest best; -1 where a list is shorter.

    Known titles and those that training does not know are masked; ties go by title id.
    """
    found: list[NDArray[np.int64]] = []
    begin = 0
    for key in keys:
        known = bench.known[begin : begin + len(key)].tocoo()
        key[:, ~bench.is_item] = -np.inf
        key[known.row, known.col] = -np.inf
        found.append(top(key, DEPTH))
        begin += len(key)
    return np.concatenate(found)


def metrics_of_lists(bench: Bench, ranked: NDArray[np.int64]) -> NDArray[np.float64]:
    """(m, 4) METRICS of these lists."""
    return np.concatenate(
        [
            metrics_of(ranked[begin : begin + CHUNK], bench.targets[begin : begin + CHUNK].toarray())
            for begin in range(0, len(ranked), CHUNK)
        ]
    )


def measured(bench: Bench, keys: Iterator[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(m, 4) METRICS of the lists that these keys make."""
    return metrics_of_lists(bench, ranked_lists(bench, keys))


def top(key: NDArray[Any], depth: int) -> NDArray[np.int64]:
    """(m, depth) the highest keys' places, best first, ties by place; -1 past the end of what may be shown."""
    depth = min(depth, key.shape[1])
    threshold = np.partition(key, key.shape[1] - depth, axis=1)[:, key.shape[1] - depth]
    rows, places = np.nonzero((key >= threshold[:, None]) & ~np.isneginf(key))
    order = np.lexsort((places, -key[rows, places], rows))
    rows, places = rows[order], places[order]
    at = place_within(rows)
    kept = at < depth
    ranked = np.full((len(key), depth), -1, np.int64)
    ranked[rows[kept], at[kept]] = places[kept]
    return ranked


def served_keys(bench: Bench, model: Model) -> Iterator[NDArray[np.float64]]:
    """Chunks of what `picks` ranks by: positive scores, then the popular titles."""
    for begin in range(0, bench.known.shape[0], CHUNK):
        yield ranking_keys(scores(bench.known[begin : begin + CHUNK], model), model)


def same_for_all(bench: Bench, key: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Chunks that rank titles alike for everybody."""
    for begin in range(0, bench.known.shape[0], CHUNK):
        count = min(CHUNK, bench.known.shape[0] - begin)
        yield np.tile(key, (count, 1))
