"""Members scored, with reasons, beside the bare matrix product and top k without reasons or rules."""

from __future__ import annotations

import numpy as np

from bench.measuring import NOW, SEED, Figure, best_seconds
from postreel.catalogue import Catalogue, Title
from postreel.recommend import Builder, RecommendSettings, picks_for
from postreel.schema import Tastes, id_array

MEMBERS, TITLES, EACH, K = 2_000, 2_000, 60, 10


def run() -> list[Figure]:
    """Members a second, on random tastes over a catalogue of 2,000 titles."""
    rng = np.random.default_rng(SEED)
    catalogue = Catalogue.of(
        Title(f"t{i:05d}", f"Title {i}", year=1900 + i % 120, genres=(f"g{i % 18}",)) for i in range(TITLES)
    )
    tastes = _tastes(rng)
    builder = Builder(RecommendSettings(), catalogue)
    builder.see(tastes)
    builder.add(tastes)
    model = builder.finish(NOW)
    ours = best_seconds(lambda: picks_for(tastes, model, catalogue, NOW, K))
    liked = np.zeros((MEMBERS, TITLES), np.float32)
    liked[np.repeat(np.arange(MEMBERS), EACH), np.concatenate(_drawn(np.random.default_rng(SEED)))] = 1
    dense = np.asarray(model.matrix.todense(), np.float32)

    def bare() -> object:
        return np.argpartition(-(liked @ dense), K, axis=1)[:, :K]

    ceiling = best_seconds(bare)
    return [
        Figure(
            "members scored a second, with reasons",
            MEMBERS / ours,
            "ceiling: float32 product and top k alone",
            MEMBERS / ceiling,
        )
    ]


def _drawn(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.choice(TITLES, EACH, replace=False) for _ in range(MEMBERS)]


def _tastes(rng: np.random.Generator) -> Tastes:
    titles = np.concatenate(_drawn(rng))
    count = len(titles)
    ids = id_array(n.to_bytes(15, "big") + b"\x01" for n in range(MEMBERS))
    return Tastes.of(
        member=np.repeat(ids, EACH),
        title_id=[f"t{i:05d}" for i in titles],
        weight=np.full(count, 0.8),
        evidence=["watched"] * count,
        is_seen=[True] * count,
        last_at=[NOW] * count,
    )
