"""Metrics of ranked lists, and paired intervals. Plain arithmetic, under no purpose of its own.

Definitions of Liang et al. 2018 ("Variational Autoencoders for Collaborative Filtering", section 4.2):
Recall@k = hits / min(k, targets); NDCG@k = DCG / DCG of min(k, targets) hits on top.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

METRICS = ("recall@20", "recall@50", "ndcg@20", "ndcg@100")
"""What an evaluation reports, in this order."""
DEPTH = 100


def metrics_of(ranked: NDArray[np.int64], is_target: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(m, 4) each of METRICS for each list.

    Args:
        ranked: (m, d) title indices, best first; -1 where the list is shorter.
        is_target: (m, V) what should be found; at least one a row.
    """
    hits = np.take_along_axis(is_target, np.maximum(ranked, 0), axis=1) & (ranked >= 0)
    targets = is_target.sum(axis=1)
    gain = 1.0 / np.log2(np.arange(2, max(DEPTH, ranked.shape[1]) + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gain)])

    def recall(k: int) -> NDArray[np.float64]:
        return hits[:, :k].sum(axis=1) / np.minimum(k, targets)

    def ndcg(k: int) -> NDArray[np.float64]:
        found = hits[:, :k]
        return (found @ gain[: found.shape[1]]) / ideal[np.minimum(k, targets)]

    return np.stack([recall(20), recall(50), ndcg(20), ndcg(100)], axis=1)


def paired_difference(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], members: NDArray[np.int64]
) -> dict[str, float]:
    """Mean of ours - theirs over the tests, with a 95 % interval.

    A normal interval whose variance is taken over members, since one member's tests are not independent
    (Liang and Zeger 1986).
    """
    gap = ours - theirs
    mean = float(gap.mean())
    _, code = np.unique(members, return_inverse=True)
    sums = np.bincount(code, weights=gap - mean)
    half = 1.96 * float(np.sqrt(np.sum(sums**2))) / len(gap)
    return {"mean": mean, "low": mean - half, "high": mean + half}
