"""Small services: how good the lists are where there are few members, beside what needs none of this.

Runs on public data, for the docs and the tests. Each draw is a service of its own: some members, trained on the
first four fifths of each history in it and asked for the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.catalogue import Catalogue
from postreel.errors import InputError
from postreel.recommend.bench import EPOCH, bench_of, measured, served_keys
from postreel.recommend.content import features_of
from postreel.recommend.contributions import Vocabulary
from postreel.recommend.metrics import METRICS, paired_difference
from postreel.recommend.model import model_of
from postreel.recommend.protocols import LONG, Interactions, trials_of
from postreel.recommend.settings import RecommendSettings

MODELS = ("popularity", "content", "postreel")
"""All-time popularity within the draw; TF-IDF cosine of the facts; what the service would serve, untuned."""


def small_services(
    data: Interactions,
    catalogue: Catalogue,
    size: int,
    draws: int,
    seed: int,
    settings: RecommendSettings | None = None,
) -> dict[str, Any]:
    """Draw services of `size` members with at least ten positives each, and measure NDCG@20 in them.

    The last fifth of each member's positives is to be found, among the titles that anybody in the draw liked
    before; members for whom there is nothing to find are not tested, and a draw without any test is drawn again.

    Returns:
        `size draws tests`, `ndcg@20` of each of MODELS, and `differences` of postreel from the others with
        their 95 % intervals, clustered by draw.
    """
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(np.bincount(data.members) >= LONG)
    base = settings or RecommendSettings()
    features = features_of(catalogue, Vocabulary.of(catalogue))
    goal = METRICS.index("ndcg@20")
    found: dict[str, list[NDArray[np.float64]]] = {model: [] for model in MODELS}
    groups: list[NDArray[np.int64]] = []
    while len(groups) < draws:
        drawn = data.of_members(np.sort(rng.choice(able, size, replace=False)))
        try:
            trial = trials_of("per-member", drawn)[0][0]
        except InputError:
            continue
        bench = bench_of(trial, drawn, catalogue, base)
        groups.append(np.full(len(trial.tested), len(groups)))
        likeness = ((bench.known @ features) @ features.T).toarray()
        popular = np.tile(bench.counts.title_count.astype(np.float64), (len(trial.tested), 1))
        model = model_of(bench.counts, catalogue, base, EPOCH, features)
        found["popularity"].append(measured(bench, iter([popular]))[:, goal])
        found["content"].append(measured(bench, iter([likeness]))[:, goal])
        found["postreel"].append(measured(bench, served_keys(bench, model))[:, goal])
    table = {model: np.concatenate(values) for model, values in found.items()}
    group = np.concatenate(groups)
    return {
        "size": size,
        "draws": draws,
        "tests": len(group),
        "ndcg@20": {model: float(values.mean()) for model, values in table.items()},
        "differences": {
            model: paired_difference(table["postreel"], table[model], group) for model in MODELS[:2]
        },
    }
