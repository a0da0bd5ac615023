"""Small services drawn from MovieLens: NDCG@20 beside popularity and TF-IDF content, as the docs show it.

python bench/recommend/small_services.py FOLDER [DRAWS]
"""

from __future__ import annotations

import sys
from pathlib import Path

from postreel.catalogue import Catalogue
from postreel.flows.positives import positives_of
from postreel.recommend import small_services


def main(folder: Path, draws: int) -> None:
    """Print a table, one line a size."""
    data, titles = positives_of(folder)
    catalogue = Catalogue.of(titles)
    print("members draws tests | popularity content postreel | - popularity | - content")
    for size in (5, 20, 40):
        found = small_services(data, catalogue, size, draws, seed=size)
        means = " ".join(f"{value:.4f}" for value in found["ndcg@20"].values())
        gaps = " | ".join(
            f"{gap['mean']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
            for gap in found["differences"].values()
        )
        print(f"{size} {draws} {found['tests']} | {means} | {gaps}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
