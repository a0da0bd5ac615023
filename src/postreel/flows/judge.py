"""How good the recommender is: on this service's own members who grant `training`, or on a file of data."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from postreel.catalogue import Catalogue
from postreel.errors import InputError
from postreel.flows.positives import positives_of
from postreel.gate import Gate
from postreel.recommend import evaluate


def judged(
    gate: Gate | None,
    protocol: str,
    data: Path | None,
    windows: Sequence[tuple[float, float]],
    *,
    is_tuned: bool | None = None,
    step: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run a protocol. With `said`: in words, whether recent popularity was beaten.

    Args:
        is_tuned: choose settings on the trials before every window; else the settings that `train` serves. None:
            choose them for `data`, and take those that are served for this service's own members.
        step: called after each setting tried.

    Raises:
        InputError: the data is of no known form, or too little for the protocol.
    """
    if data is None:
        if gate is None:
            raise InputError("say which data to evaluate on")
        result = gate.evaluated(protocol, windows, is_tuned=bool(is_tuned))
    else:
        rows, titles = positives_of(data)
        catalogue = Catalogue.of(titles) if titles else None
        result = evaluate(
            protocol,
            rows,
            time.perf_counter,
            windows=windows,
            catalogue=catalogue,
            is_tuned=is_tuned is not False,
            name=data.resolve().name,
            step=step,
        )
    return {**result, "said": _said(result)}


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
