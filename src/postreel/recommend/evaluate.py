"""Evaluate: how good the lists are, beside popular and recently popular titles, with intervals.

Runs on interactions that may train, or on public data. The row named `postreel` goes through the code that
serves: the same counts, solve, floor, content prior, lift and fill with popular titles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from postreel.catalogue import Catalogue, Title
from postreel.recommend.contributions import Vocabulary, contributions_of, days_of
from postreel.recommend.counts import Counts, head_of
from postreel.recommend.metrics import DEPTH, METRICS, metrics_of, paired_difference
from postreel.recommend.model import Model, model_of
from postreel.recommend.popularity import lift_of, recent_counts
from postreel.recommend.protocols import SEEDS, Interactions, Trial, trials_of
from postreel.recommend.score import place_within, ranking_keys, scores
from postreel.recommend.settings import RecommendSettings

HALF_LIVES_D = (1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0, 1460.0)
"""Half-lives tried for the recently popular titles."""
SOLVES = ((10.0, 0.33), (30.0, 0.33), (30.0, 0.5), (100.0, 0.5))
"""(ridge, dropout) tried."""
CONTENTS = ((0.0, 1.0, 90.0), *product((0.03, 0.1), (1.0,), (30.0, 90.0, 365.0)), (0.03, 0.5, 90.0))
"""(content weight, demand, half-life of what is popular) tried where the catalogue has facts."""
LIFTS = tuple(product((7.0, 14.0, 30.0, 90.0, 365.0), (0.25, 0.5, 1.0, 1.5)))
"""(half-life in days, power) tried where there are times."""
PRIORS = (1.0, 3.0, 10.0)
"""Lift priors tried with the best of LIFTS."""
_CHUNK = 512
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Bench:
    """One trial made ready: counts of its training rows, matrices of what is known and to be found."""

    trial: Trial
    counts: Counts
    known: Any
    targets: Any
    is_item: NDArray[np.bool_]


def evaluate(
    protocol: str,
    data: Interactions,
    timer: Callable[[], float],
    *,
    windows: Sequence[tuple[float, float]] = (),
    catalogue: Catalogue | None = None,
    settings: RecommendSettings | None = None,
    is_tuned: bool = True,
    seeds: Sequence[int] = SEEDS,
    name: str = "",
) -> dict[str, Any]:
    """Run a protocol and report, as one JSON value.

    Args:
        timer: seconds of some clock, for the time that each row took.
        windows: for `rolling`, (from, until) in Unix seconds, the end outside.
        catalogue: facts of titles for the content prior; None: co-watching alone.
        settings: what to begin from; the defaults where None.
        is_tuned: choose ridge, dropout, content weight and lift on the tuning trials, which lie before every window.
        name: what the data is called in the report.

    Returns:
        `protocol data seeds tests rows difference`: one row a model with `model`, METRICS (means over all
        member-tests), `seconds`, for recent popularity `half_life_days` and for postreel `settings`;
        `difference` is postreel - recent popularity with its 95 % interval, for each metric.

    Raises:
        InputError: see `trials_of`.
    """
    base = settings or RecommendSettings()
    facts = catalogue or Catalogue.of(Title(i, i) for i in data.title_ids)
    tests, tuning = trials_of(protocol, data, windows, seeds)
    goal = METRICS.index("ndcg@100" if protocol == "liang" else "ndcg@20")
    tuning_benches = [_bench_of(t, data, facts, base) for t in tuning]

    began = timer()
    half_life_d = _best_half_life(tuning_benches, goal)
    tuned_s = timer() - began
    began = timer()
    chosen = tune(tuning_benches, facts, base, goal) if is_tuned and tuning_benches else base
    ours_tuned_s = timer() - began

    found: dict[str, list[NDArray[np.float64]]] = {"popularity": [], "recent popularity": [], "postreel": []}
    seconds = {"popularity": 0.0, "recent popularity": tuned_s, "postreel": ours_tuned_s}
    members: list[NDArray[np.int64]] = []
    for trial in tests:
        bench = _bench_of(trial, data, facts, chosen)
        members.append(trial.tested)
        for model, keys in (
            ("popularity", lambda b=bench: _same_for_all(b, b.counts.title_count.astype(np.float64))),
            ("recent popularity", lambda b=bench: _same_for_all(b, _recent(b, half_life_d))),
            ("postreel", lambda b=bench: _served(b, facts, chosen)),
        ):
            began = timer()
            found[model].append(_measured(bench, keys()))
            seconds[model] += timer() - began

    table = {model: np.concatenate(parts) for model, parts in found.items()}
    who = np.concatenate(members)
    rows: list[dict[str, Any]] = [
        {"model": model}
        | {m: float(values[:, i].mean()) for i, m in enumerate(METRICS)}
        | {"seconds": round(seconds[model], 3)}
        for model, values in table.items()
    ]
    rows[1]["half_life_days"] = half_life_d
    rows[2]["settings"] = {
        key: getattr(chosen, key)
        for key in (
            "family",
            "ridge",
            "dropout",
            "content_weight",
            "content_demand",
            "popular_half_life_d",
            "lift_half_life_d",
            "lift_power",
            "lift_prior",
        )
    }
    ours, theirs = table["postreel"], table["recent popularity"]
    return {
        "protocol": protocol,
        "data": name,
        "seeds": list(seeds) if protocol == "liang" else [],
        "tests": len(who),
        "rows": rows,
        "difference": {m: paired_difference(ours[:, i], theirs[:, i], who) for i, m in enumerate(METRICS)},
    }


def tune(
    benches: Sequence[Bench], catalogue: Catalogue, base: RecommendSettings, goal: int
) -> RecommendSettings:
    """The settings with the best mean of METRICS[goal] over these trials.

    One group of settings after the other: solve, content, lift, its prior. The first tried wins a tie.
    """
    # Trend off at first: likeness towards what is popular and lift answer the same question, and the one that
    # is tuned first would hide the other.
    best = replace(base, lift_power=0.0)
    models = _models(benches, catalogue, best)
    reached = _quality(benches, models, goal)
    has_facts = any(m.features.nnz for m in models)
    is_timed = any(len(b.counts.trend_key) for b in benches)
    solves: list[dict[str, float]] = [{"ridge": r, "dropout": d} for r, d in SOLVES]
    contents: list[dict[str, float]] = [
        {"content_weight": w, "content_demand": d, "popular_half_life_d": h} for w, d, h in CONTENTS
    ]
    for change in (*solves, *(contents if has_facts else [])):
        tried = replace(best, **change)
        built = _models(benches, catalogue, tried)
        found = _quality(benches, built, goal)
        if found > reached:
            best, reached, models = tried, found, built
    lifts: list[dict[str, float]] = [{"lift_half_life_d": h, "lift_power": g} for h, g in LIFTS]
    priors: list[dict[str, float]] = [{"lift_prior": c} for c in PRIORS]
    own: dict[str, float] = {"lift_half_life_d": base.lift_half_life_d, "lift_power": base.lift_power}
    for change in (own, *lifts, *priors) if is_timed else ():
        tried = replace(best, **change)
        lifted = [replace(m, lift=lift_of(b.counts, tried)) for b, m in zip(benches, models, strict=True)]
        found = _quality(benches, lifted, goal)
        if found > reached:
            best, reached = tried, found
    return best


def _models(benches: Sequence[Bench], catalogue: Catalogue, settings: RecommendSettings) -> list[Model]:
    return [model_of(b.counts, catalogue, settings, _EPOCH) for b in benches]


def _quality(benches: Sequence[Bench], models: Sequence[Model], goal: int) -> float:
    values = [_measured(b, _keys(b, m)) for b, m in zip(benches, models, strict=True)]
    return float(np.concatenate(values)[:, goal].mean())


def _bench_of(trial: Trial, data: Interactions, catalogue: Catalogue, settings: RecommendSettings) -> Bench:
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


def _measured(bench: Bench, keys: Iterator[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(m, 4) metrics from chunks of (rows, V) keys, highest best; known titles masked, ties by title id."""
    results: list[NDArray[np.float64]] = []
    begin = 0
    for key in keys:
        end = begin + len(key)
        known = bench.known[begin:end].tocoo()
        key[:, ~bench.is_item] = -np.inf
        key[known.row, known.col] = -np.inf
        ranked = _top(key, DEPTH)
        results.append(metrics_of(ranked, bench.targets[begin:end].toarray()))
        begin = end
    return np.concatenate(results)


def _top(key: NDArray[np.float64], depth: int) -> NDArray[np.int64]:
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


def _served(bench: Bench, catalogue: Catalogue, settings: RecommendSettings) -> Iterator[NDArray[np.float64]]:
    return _keys(bench, model_of(bench.counts, catalogue, settings, _EPOCH))


def _keys(bench: Bench, model: Model) -> Iterator[NDArray[np.float64]]:
    """As `picks` ranks: positive scores, then the popular titles."""
    for begin in range(0, bench.known.shape[0], _CHUNK):
        yield ranking_keys(scores(bench.known[begin : begin + _CHUNK], model), model)


def _same_for_all(bench: Bench, key: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for begin in range(0, bench.known.shape[0], _CHUNK):
        count = min(_CHUNK, bench.known.shape[0] - begin)
        yield np.tile(key, (count, 1))


def _recent(bench: Bench, half_life_d: float | None) -> NDArray[np.float64]:
    every = bench.counts.title_count.astype(np.float64)
    if half_life_d is None or len(bench.counts.trend_key) == 0:
        return every
    # All-time likes break ties between titles that nobody took lately.
    return recent_counts(bench.counts, half_life_d) + 1e-12 * every


def _best_half_life(benches: Sequence[Bench], goal: int) -> float | None:
    """The half-life with the best mean over the tuning trials; None without times or trials."""
    if not benches or not any(len(b.counts.trend_key) for b in benches):
        return None
    quality = [
        np.concatenate([_measured(b, _same_for_all(b, _recent(b, h))) for b in benches])[:, goal].mean()
        for h in HALF_LIVES_D
    ]
    return HALF_LIVES_D[int(np.argmax(quality))]
