"""How good the recommender is: on this service's own members who grant `training`, or on a file of data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from postreel.catalogue import Catalogue, Title
from postreel.collect import Parsed, movielens_titles, read_movielens, read_viewings
from postreel.errors import InputError
from postreel.flows.ingest import EPOCH, text_lines
from postreel.gate import Gate
from postreel.recommend import Interactions, evaluate


def judged(
    gate: Gate | None,
    protocol: str,
    data: Path | None,
    windows: Sequence[tuple[float, float]],
    *,
    is_tuned: bool = False,
) -> dict[str, Any]:
    """Run a protocol. With `said`: in words, whether recent popularity was beaten.

    Args:
        is_tuned: choose settings on the trials before every window; else the settings that `train` serves.

    Raises:
        InputError: the data is of no known form, or too little for the protocol.
    """
    if data is None:
        if gate is None:
            raise InputError("say which data to evaluate on")
        result = gate.evaluated(protocol, windows, is_tuned=is_tuned)
    else:
        rows, titles = _read(data)
        catalogue = Catalogue.of(titles) if titles else None
        result = evaluate(
            protocol,
            rows,
            time.perf_counter,
            windows=windows,
            catalogue=catalogue,
            is_tuned=is_tuned,
            name=data.resolve().name,
        )
    return {**result, "said": _said(result)}


def _read(path: Path) -> tuple[Interactions, list[Title]]:
    """Positives of a MovieLens folder (rated 3.5 or more), or of a CSV of `member,title,time,weight`."""
    if path.is_dir():
        movies = path / "movies.csv"
        titles, _ = movielens_titles(text_lines(movies))
        parts = list(
            read_movielens(text_lines(path / "ratings.csv"), text_lines(movies), EPOCH.replace(year=2100))
        )
        return _interactions(parts, "movielens"), titles
    return _interactions(list(read_viewings(text_lines(path), EPOCH.replace(year=2100))), "csv"), []


def _interactions(parts: Sequence[Parsed], source: str) -> Interactions:
    if not any(len(part) for part in parts):
        raise InputError("no usable rows; see `postreel import` for what is wrong with them")
    who = np.concatenate([np.asarray(part.who.to_numpy(zero_copy_only=False), object) for part in parts])
    table = pa.concat_tables([part.plays for part in parts])
    is_viewing = table.column("kind").to_numpy() == "watched"
    weights = np.nan_to_num(table.column("value").to_numpy(), nan=1.0)
    times = table.column("at").cast(pa.int64()).to_numpy() / 1e6
    titles = table.column("title_id").to_numpy()
    return Interactions.of(
        who[is_viewing].astype(str), titles[is_viewing].tolist(), times[is_viewing], weights[is_viewing]
    )


def _said(result: dict[str, Any]) -> str:
    gap = result["difference"]["ndcg@20"]
    low, high = gap["low"], gap["high"]
    if low > 0:
        return f"Postreel beats recent popularity: NDCG@20 is {gap['mean']:+.4f}, between {low:+.4f} and {high:+.4f}."
    if high < 0:
        return (
            f"Recent popularity is better: NDCG@20 differs by {gap['mean']:+.4f} ({low:+.4f} to {high:+.4f})."
        )
    return f"No difference from recent popularity is shown: {gap['mean']:+.4f}, between {low:+.4f} and {high:+.4f}."
