"""Evaluate: how good the lists are, beside popular and recently popular titles, with intervals.

Runs on interactions that may train, or on public data. The row named `postreel` goes through the code that
serves: the same counts, solve, floor, content prior, lift and fill with popular titles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.catalogue import Catalogue, Title
from postreel.recommend.bench import (
    EPOCH,
    Bench,
    bench_of,
    measured,
    metrics_of_lists,
    ranked_lists,
    same_for_all,
    served_keys,
)
from postreel.recommend.content import features_of, genres_of
from postreel.recommend.contributions import Vocabulary
from postreel.recommend.metrics import METRICS, paired_difference
from postreel.recommend.model import model_of
from postreel.recommend.popularity import recent_counts
from postreel.recommend.protocols import SEEDS, Interactions, trials_of
from postreel.recommend.settings import RecommendSettings
from postreel.recommend.tuning import tune
from postreel.recommend.variety import calibration, coverage, list_distance

HALF_LIVES_D = (1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0, 1460.0)
"""Half-lives tried for the recently popular titles."""
LISTED = 20
"""Titles of a list that coverage, calibration and distance look at."""
OURS, RECENT, POPULARITY = "postreel", "recent popularity", "popularity"


@dataclass
class _Row:
    """What one model reached: metrics of each test, and of each trial what else is told of its lists."""

    metrics: list[NDArray[np.float64]] = field(default_factory=list[NDArray[np.float64]])
    told: list[dict[str, float | None]] = field(default_factory=list[dict[str, float | None]])
    seconds: float = 0.0


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
    step: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run a protocol and report, as one JSON value.

    Args:
        timer: seconds of some clock, for the time that each row took.
        windows: for `rolling`, (from, until) in Unix seconds, the end outside.
        catalogue: facts of titles for the content prior; None: co-watching alone.
        settings: what to begin from; the defaults where None.
        is_tuned: choose settings on the tuning trials, which lie before every window.
        name: what the data is called in the report.
        step: called after each setting tried.

    Returns:
        `protocol data seeds tests settings_from population rows difference`: one row a model with `model`, METRICS
        (means over all member-tests), `seconds`, `coverage`, `calibration` (C_KL over genres, null without) and
        `distance` of its first LISTED titles (means over trials), for recent popularity `half_life_days` and for
        postreel `settings`; `difference` is postreel - recent popularity with its 95 % interval, for each metric;
        `population` says of whom all this speaks.

    Raises:
        InputError: see `trials_of`.
    """
    base = settings or RecommendSettings()
    facts = catalogue or Catalogue.of(Title(i, i) for i in data.title_ids)
    vocabulary = Vocabulary.of(facts)
    features, genres = features_of(facts, vocabulary), genres_of(facts, vocabulary)
    tests, tuning = trials_of(protocol, data, windows, seeds)
    goal = METRICS.index("ndcg@100" if protocol == "liang" else "ndcg@20")
    rows = {POPULARITY: _Row(), RECENT: _Row(), OURS: _Row()}

    began = timer()
    tuning_benches = [bench_of(t, data, facts, base) for t in tuning]
    half_life_d = _best_half_life(tuning_benches, goal)
    rows[RECENT].seconds = timer() - began
    began = timer()
    can_tune = is_tuned and bool(tuning_benches)
    chosen = tune(tuning_benches, features, base, goal, step).settings if can_tune else base
    del tuning_benches
    rows[OURS].seconds = timer() - began

    members: list[NDArray[np.int64]] = []
    for trial in tests:
        bench = bench_of(trial, data, facts, chosen)
        members.append(trial.tested)
        for model, keys in (
            (POPULARITY, lambda b=bench: same_for_all(b, b.counts.title_count.astype(np.float64))),
            (RECENT, lambda b=bench: same_for_all(b, _recent(b, half_life_d))),
            (OURS, lambda b=bench: served_keys(b, model_of(b.counts, facts, chosen, EPOCH, features))),
        ):
            _run(rows[model], bench, keys, genres, timer)
    who = np.concatenate(members)
    table = {model: np.concatenate(row.metrics) for model, row in rows.items()}
    told = [_told(model, row) for model, row in rows.items()]
    told[1]["half_life_days"] = half_life_d
    told[2]["settings"] = asdict(chosen)
    return {
        "protocol": protocol,
        "data": name,
        "seeds": list(seeds) if protocol == "liang" else [],
        "tests": len(who),
        "settings_from": "tuning trials" if can_tune else "defaults" if settings is None else "given",
        "population": {
            "members": len(np.unique(data.members)),
            "tested": len(np.unique(who)),
            "positives": len(data),
            "titles": len(data.title_ids),
        },
        "rows": told,
        "difference": {
            metric: paired_difference(table[OURS][:, i], table[RECENT][:, i], who)
            for i, metric in enumerate(METRICS)
        },
    }


def _run(
    row: _Row,
    bench: Bench,
    keys: Callable[[], Iterator[NDArray[np.float64]]],
    genres: Any,
    timer: Callable[[], float],
) -> None:
    began = timer()
    ranked = ranked_lists(bench, keys())
    row.metrics.append(metrics_of_lists(bench, ranked))
    row.seconds += timer() - began
    row.told.append(
        {
            "coverage": coverage(ranked, bench.is_item, LISTED),
            "calibration": calibration(bench.known, genres, ranked, LISTED),
            "distance": list_distance(bench.counts, ranked, LISTED),
        }
    )


def _told(model: str, row: _Row) -> dict[str, Any]:
    values = np.concatenate(row.metrics)
    facts: dict[str, Any] = {"model": model}
    facts |= {metric: float(values[:, i].mean()) for i, metric in enumerate(METRICS)}
    facts["seconds"] = round(row.seconds, 3)
    for key in row.told[0]:
        known = [value for one in row.told if (value := one[key]) is not None]
        facts[key] = float(np.mean(known)) if known else None
    return facts


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
        np.concatenate([measured(b, same_for_all(b, _recent(b, h))) for b in benches])[:, goal].mean()
        for h in HALF_LIVES_D
    ]
    return HALF_LIVES_D[int(np.argmax(quality))]
