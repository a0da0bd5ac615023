"""Tuning: settings chosen on trials that lie before everything that is reported or served.

Runs under Training, or on public data. A score is a sum of parts times the lift, so each part is worked out once
a trial and only put together anew for each setting tried: the solve for each ridge and dropout, and nothing else,
costs more than a few tenths of a second at MovieLens-1M's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.catalogue import Catalogue
from postreel.errors import InputError
from postreel.recommend.bench import Bench, bench_of, top
from postreel.recommend.content import features_of
from postreel.recommend.contributions import Vocabulary
from postreel.recommend.counts import GRAM_UNIT
from postreel.recommend.metrics import METRICS, metrics_of
from postreel.recommend.popularity import bias_of, demand_of, lift_of, takers_of
from postreel.recommend.protocols import Interactions, trials_of
from postreel.recommend.settings import RecommendSettings
from postreel.recommend.solve import co_watch_matrix, spectral_matrix

SOLVES = ((30.0, 0.33), (10.0, 0.33), (30.0, 0.5), (60.0, 0.5), (100.0, 0.5), (3.0, 0.33))
"""(ridge, dropout) tried."""
SPECTRA = ((16, 0.2), (64, 0.1), (64, 0.2), (64, 0.3))
"""(dimensions, weight) of the spectral term tried with each of SOLVES."""
CONTENTS = ((0.0, 0.5), (0.005, 0.25), *product((0.003, 0.01, 0.03), (0.0, 0.5, 1.0)))
"""(weight, demand) of likeness tried where the catalogue has facts."""
POPULARS = (0.0, 0.03, 0.1, 0.3, 1.0)
"""Weights of being popular tried."""
POPULAR_HALF_LIVES_D = (7.0, 30.0, 90.0, 365.0, 1460.0)
"""Half-lives tried with them where there are times."""
LIFTS = ((14.0, 0.0), *product((3.0, 7.0, 14.0, 30.0, 90.0, 365.0), (0.25, 0.5, 1.0, 1.5)))
"""(half-life in days, power) tried where there are times."""
POPULAR_PRIORS = (500.0, 100.0)
"""Popularity priors tried with them."""
PRIORS = (20.0, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Lift priors tried with the best of LIFTS."""
WORTH = 2.0
"""Standard errors of the paired difference by which a setting must be better to be taken: less is noise."""
MOST_TESTED = 2_000
"""Member-tests of one trial that tuning looks at, evenly spaced over them."""

_Change = dict[str, float]
_Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Tuned:
    """Settings as chosen.

    Attributes:
        before, after: the metric's mean over the trials with the settings begun from, and with these.
        tests: member-tests that both rest on.
    """

    settings: RecommendSettings
    before: float
    after: float
    tests: int


class _Desk:
    """One trial's parts of the scores, over the titles that training knows."""

    def __init__(self, bench: Bench, features: Any, settings: RecommendSettings, goal: int) -> None:
        self.counts = bench.counts
        self._name = METRICS[goal]
        self._goal = goal
        self._depth = int(self._name.split("@")[1])
        count = bench.known.shape[0]
        rows = np.unique(np.linspace(0, count - 1, min(count, MOST_TESTED)).astype(np.int64))
        known = bench.known[rows]
        self.columns = np.flatnonzero(bench.is_item)
        self._is_target = bench.targets[rows][:, self.columns].toarray()
        self._known = known[:, self.columns].tocoo()
        self._head = self.counts.head[self.counts.active].astype(np.int64)
        self._at = np.searchsorted(self.columns, self._head)
        self._liked = known[:, self._head].astype(np.float32)
        pairs = self.counts.pair_count[np.ix_(self.counts.active, self.counts.active)]
        self._is_kept = pairs >= settings.pair_floor
        np.fill_diagonal(self._is_kept, False)
        self.has_facts = bool(features.nnz)
        self._content = self._likeness(known, features, pairs, settings)
        self._size_of: dict[int, tuple[_Weights, float]] = {}

    def _likeness(self, known: Any, features: Any, pairs: Any, settings: RecommendSettings) -> _Weights:
        """(m, C) likeness to what each member liked, less what co-watching takes over."""
        if not self.has_facts:
            return np.zeros((known.shape[0], len(self.columns)), np.float32)
        facts = features[self.columns]
        found = ((known @ features) @ facts.T).toarray().astype(np.float32)
        found[self._known.row, self._known.col] = 0.0
        head = features[self._head]
        taken = (head @ head.T).toarray() * np.where(
            self._is_kept, pairs / (settings.content_evidence + pairs), 0.0
        )
        found[:, self._at] -= self._liked @ taken.astype(np.float32)
        return found

    def _spread(self, matrix: NDArray[np.float64]) -> _Weights:
        found = np.zeros((self._liked.shape[0], len(self.columns)), np.float32)
        if len(self._head):
            found[:, self._at] = self._liked @ np.where(self._is_kept, matrix, 0.0).astype(np.float32)
        return found

    def _size(self, matrix: NDArray[np.float64]) -> float:
        active = self.counts.active
        gram = (self.counts.gram[np.ix_(active, active)] * GRAM_UNIT).astype(np.float32)
        small = matrix.astype(np.float32)
        return float(np.sum((gram @ small) * small))

    def watched(self, settings: RecommendSettings) -> tuple[_Weights, float]:
        """(m, C) scores of co-watching alone, and the size of its matrix."""
        matrix = co_watch_matrix(self.counts, settings)
        return self._spread(matrix), self._size(matrix)

    def mixed(self, watched: tuple[_Weights, float], dims: int, weight: float) -> _Weights:
        """(m, C) the same with the spectral term mixed in."""
        if weight == 0 or watched[1] <= 0:
            return watched[0]
        if dims not in self._size_of:
            matrix = spectral_matrix(self.counts, dims)
            self._size_of[dims] = self._spread(matrix), self._size(matrix)
        found, size = self._size_of[dims]
        if size <= 0:
            return watched[0]
        share = np.float32(weight * np.sqrt(watched[1] / size))
        return (np.float32(1.0 - weight) * watched[0] + share * found).astype(np.float32)

    def quality(self, watched: _Weights, settings: RecommendSettings) -> NDArray[np.float64]:
        """(m,) the goal's metric of each test."""
        some = self.columns
        own = watched
        if settings.content_weight and self.has_facts:
            demand = settings.content_weight * demand_of(self.counts, settings)[some]
            own = own + self._content * demand.astype(np.float32)
        bias, lift = bias_of(self.counts, settings)[some], lift_of(self.counts, settings)[some]
        takers = takers_of(self.counts, settings)[some]
        popular = (takers / (takers.max(initial=0.0) + 1.0) - 1.0).astype(np.float32)
        key = (own + bias.astype(np.float32)) * lift.astype(np.float32)
        key = np.where((own > 0) & (key > 0), key, popular)
        key[self._known.row, self._known.col] = -np.inf
        return metrics_of(top(key, self._depth), self._is_target)[:, self._goal]


def tune(
    benches: Sequence[Bench],
    features: Any,
    base: RecommendSettings,
    goal: int,
    step: Callable[[], None] = lambda: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Tuned:
    """The settings with the best mean of a metric over these trials.

    One group of settings after the other, and the cheap groups twice: solve with spectral term, likeness, what is
    popular, lift. The best of a group is taken where it is better than what is held by WORTH standard errors of the
    paired difference (Breiman et al. 1984's rule, in spirit): settings that theory or other data suggest stay
    until this data speaks against them.

    Args:
        features: of the catalogue that the benches were made with.
        goal: index into METRICS.
        step: called after each setting tried.
        is_over: asked before each setting; once true, the best so far is taken.
    """
    search = _Search([_Desk(b, features, base, goal) for b in benches], step, is_over)
    is_timed = any(len(b.counts.trend_key) for b in benches)
    # Trend off at first: popularity and lift answer the same question, and the one that is tuned first would
    # hide the other.
    search.begin(base)
    before = search.reached
    search.begin(replace(base, lift_power=0.0))
    search.solves()
    halves = POPULAR_HALF_LIVES_D if is_timed else (base.popular_half_life_d,)
    contents: list[_Change] = [{"content_weight": w, "content_demand": d} for w, d in CONTENTS]
    priors = POPULAR_PRIORS if is_timed else (base.popular_prior,)
    populars: list[_Change] = [
        {"popular_weight": w, "popular_half_life_d": h, "popular_prior": p}
        for p, h, w in product(priors, halves, POPULARS)
    ]
    # With a small prior, so that a short half-life is judged by what it says; the prior itself comes next.
    lifts: list[_Change] = [{"lift_half_life_d": h, "lift_power": g, "lift_prior": 1.0} for h, g in LIFTS]
    own: _Change = {"lift_half_life_d": base.lift_half_life_d, "lift_power": base.lift_power}
    for _ in range(2):
        search.tries(contents if search.has_facts else [])
        search.tries(populars)
        if is_timed:
            search.tries([own, *lifts])
            search.tries([{"lift_prior": c} for c in PRIORS])
    return Tuned(search.best, before, search.reached, search.tests)


def tuned_settings(
    data: Interactions,
    catalogue: Catalogue,
    base: RecommendSettings,
    step: Callable[[], None] = lambda: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Tuned:
    """Settings by NDCG@20 of rolling trials that end before the windows that `evaluate` reports by default.

    Raises:
        InputError: too little history to cut trials from.
    """
    _, trials = trials_of("rolling", data)
    if not trials:
        raise InputError(
            "too few members come back for tuning; the defaults serve until there is more history"
        )
    features = features_of(catalogue, Vocabulary.of(catalogue))
    benches = [bench_of(trial, data, catalogue, base) for trial in trials]
    return tune(benches, features, base, METRICS.index("ndcg@20"), step, is_over)


class _Search:
    """The best settings so far, and how good they are."""

    def __init__(self, desks: list[_Desk], step: Callable[[], None], is_over: Callable[[], bool]) -> None:
        self._desks = desks
        self._step = step
        self._is_over = is_over
        self.has_facts = any(desk.has_facts for desk in desks)
        self.best = RecommendSettings()
        self._reached: NDArray[np.float64] = np.zeros(0)
        self._watched: list[_Weights] = []

    @property
    def tests(self) -> int:
        """Member-tests looked at."""
        return len(self._reached)

    @property
    def reached(self) -> float:
        """The mean of the goal's metric with the best settings."""
        return float(self._reached.mean()) if len(self._reached) else 0.0

    def begin(self, settings: RecommendSettings) -> None:
        """What the search begins from."""
        solved = [desk.watched(settings) for desk in self._desks]
        self._watched = self._mixed(solved, settings)
        self.best, self._reached = settings, self._values(self._watched, settings)

    def solves(self) -> None:
        """Try ridges and dropouts; then spectral terms, with the best of them and with more dropout."""
        self._choose(self._solved((self.best, r, d) for r, d in SOLVES))
        ridge, dropout = self.best.ridge, self.best.dropout
        pairs = dict.fromkeys([(ridge, dropout), (ridge, max(dropout, 0.5))])
        self._choose(self._spectral(self.best, pairs))

    def _solved(
        self, tries: Iterable[tuple[RecommendSettings, float, float]]
    ) -> Iterator[tuple[RecommendSettings, list[_Weights]]]:
        for base, ridge, dropout in tries:
            settings = replace(base, ridge=ridge, dropout=dropout)
            solved = [desk.watched(settings) for desk in self._desks]
            yield settings, self._mixed(solved, settings)

    def _spectral(
        self, base: RecommendSettings, pairs: Iterable[tuple[float, float]]
    ) -> Iterator[tuple[RecommendSettings, list[_Weights]]]:
        for ridge, dropout in pairs:
            settings = replace(base, ridge=ridge, dropout=dropout)
            solved = [desk.watched(settings) for desk in self._desks]
            for dims, weight in SPECTRA:
                tried = replace(settings, spectral_dims=dims, spectral_weight=weight)
                yield tried, self._mixed(solved, tried)

    def _mixed(self, solved: list[tuple[_Weights, float]], settings: RecommendSettings) -> list[_Weights]:
        return [
            desk.mixed(one, settings.spectral_dims, settings.spectral_weight)
            for desk, one in zip(self._desks, solved, strict=True)
        ]

    def tries(self, changes: Sequence[_Change]) -> None:
        """Try changes that need no new solve."""
        self._choose((replace(self.best, **change), self._watched) for change in changes)

    def _choose(self, candidates: Iterable[tuple[RecommendSettings, list[_Weights]]]) -> None:
        """Take the best candidate if it is better than what is held by more than noise."""
        found: tuple[float, RecommendSettings, list[_Weights], NDArray[np.float64]] | None = None
        for settings, watched in candidates:
            if self._is_over():
                break
            values = self._values(watched, settings)
            self._step()
            if found is None or values.mean() > found[0]:
                found = float(values.mean()), settings, watched, values
        if found is None:
            return
        gap = found[3] - self._reached
        if gap.mean() > WORTH * gap.std() / np.sqrt(len(gap)):
            _, self.best, self._watched, self._reached = found

    def _values(self, watched: list[_Weights], settings: RecommendSettings) -> NDArray[np.float64]:
        return np.concatenate([d.quality(w, settings) for d, w in zip(self._desks, watched, strict=True)])


STEP_COUNT = (
    len(SOLVES)
    + 2 * len(SPECTRA)
    + 2
    * (
        len(CONTENTS)
        + len(POPULARS) * len(POPULAR_HALF_LIVES_D) * len(POPULAR_PRIORS)
        + len(LIFTS)
        + 1
        + len(PRIORS)
    )
)
"""Settings that `tune` tries at most."""
