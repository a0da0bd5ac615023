"""From a stored model to the first correct score after a removal, on made-up members, as the docs show it.

python bench/recommend/removal.py [TITLES [MEMBERS]]
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy import sparse

from postreel.catalogue import Catalogue, Title
from postreel.recommend import (
    Counts,
    Model,
    RecommendSettings,
    Vocabulary,
    corrected,
    head_of,
    model_of,
    scores,
)
from postreel.recommend.contributions import contributions_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main(title_count: int, member_count: int) -> None:
    """Print milliseconds for removed members with 10, 100 and 400 viewings."""
    rng = np.random.default_rng(1)
    catalogue = Catalogue.of(
        Title(
            f"t{i:05d}",
            f"t{i}",
            year=1950 + i % 70,
            genres=(f"g{i % 18}", f"g{i // 18 % 18}"),
            directors=(f"d{i // 5}",),
        )
        for i in range(title_count)
    )
    vocabulary, settings = Vocabulary.of(catalogue), RecommendSettings(head_limit=10_000)
    demand = 1.0 / (rng.permutation(title_count) + 50.0) ** 0.8
    sizes = np.clip(rng.lognormal(3.8, 0.8, member_count).astype(int), 5, 400)
    sizes[:3] = 10, 100, 400
    who = np.repeat(np.arange(member_count), sizes)
    liked = rng.choice(title_count, len(who), p=demand / demand.sum())
    who, liked = np.divmod(np.unique(who * title_count + liked), title_count)
    ids = np.char.zfill((who + 1).astype(str), 16).astype("S16")
    days = rng.integers(20_000, 20_060, len(who)).astype(np.int32)
    parts = contributions_of(ids, liked, rng.uniform(0.3, 1.0, len(who)), days, vocabulary.digest)
    head = head_of(np.bincount(liked, minlength=title_count).astype(np.int64), settings)
    counts = Counts.empty(vocabulary, head, settings.pair_floor)
    counts.add(parts)
    began = time.perf_counter()
    arrays, texts = model_of(counts, catalogue, settings, NOW).to_parts()
    print(f"{len(head):,} titles in the Gram, new solve {time.perf_counter() - began:.1f} s")
    more_arrays, more_texts = counts.to_parts()
    texts |= more_texts
    of_member = sparse.csr_array(
        (np.ones(100), np.sort(rng.choice(title_count, 100, replace=False)), [0, 100]), shape=(1, title_count)
    )
    with tempfile.TemporaryDirectory() as folder:
        for key, array in (arrays | more_arrays).items():
            np.save(Path(folder) / f"{key}.npy", array)

        def mapped(key: str) -> np.ndarray:
            return np.load(Path(folder) / f"{key}.npy", mmap_mode="r")

        for _ in range(3):
            for number in range(3):
                gone = parts.where(np.arange(len(parts)) == number)
                began = time.perf_counter()
                model = Model.from_parts(mapped, texts.__getitem__)
                before = Counts.from_parts(mapped, texts.__getitem__, is_mapped=True)
                served = corrected(model, before, [gone], catalogue, NOW)
                scores(of_member, served)
                took_ms = 1e3 * (time.perf_counter() - began)
                print(f"removed a member with {len(gone.titles)} titles: first score after {took_ms:.0f} ms")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:3]]
    main(*given, *(5_000, 10_000)[len(given) :])
