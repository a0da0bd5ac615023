"""The doors `tune` and `evaluated`: how good the recommender is on this service's own members, and its settings.

Under Training, on members with a live grant. What comes out is settings and means over many members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from postreel.catalogue import Catalogue
from postreel.gate.core import Core
from postreel.gate.reading import stream_at
from postreel.purposes import Training
from postreel.recommend import Interactions, RecommendSettings, Vocabulary, evaluate, tuned_settings
from postreel.schema import Tastes

KEY = "recommend settings"
"""Under which the records remember tuned settings."""


@dataclass(frozen=True)
class Tuned:
    """Settings as chosen.

    Attributes:
        before, after: mean NDCG@20 over the tuning trials with the settings held before, and with these.
        tests: member-tests that both rest on.
    """

    settings: RecommendSettings
    before: float
    after: float
    tests: int


def chosen_settings(core: Core) -> tuple[RecommendSettings, bool]:
    """What `train` uses: the settings tuned for this service and True, or the defaults and False."""
    with core.records.reading() as tx:
        held = tx.meta(KEY)
    if held is None:
        return RecommendSettings(), False
    return RecommendSettings.from_json(held.encode()), True


def tune(core: Core, catalogue: Catalogue, budget_s: float, step: Callable[[], None] = lambda: None) -> Tuned:
    """Choose settings by rolling global time validation over members who grant `training`, and remember them.

    The trials end where the windows that `evaluated` reports begin, so a report stays untouched by what was chosen.

    Args:
        budget_s: seconds after which the best so far is taken.

    Raises:
        InputError: there is too little history to cut trials from.
    """
    until_s = core.clock.monotonic_s() + budget_s
    found = tuned_settings(
        _interactions(core, catalogue),
        catalogue,
        RecommendSettings(),
        step,
        lambda: core.clock.monotonic_s() >= until_s,
    )
    with core.records.writing() as tx:
        tx.set_meta(KEY, found.settings.to_json().decode())
    return Tuned(found.settings, found.before, found.after, found.tests)


def evaluated(
    core: Core,
    catalogue: Catalogue,
    protocol: str,
    windows: Sequence[tuple[float, float]],
    *,
    is_tuned: bool,
) -> dict[str, Any]:
    """The recommender beside popularity, on members with a live `training` grant: means over many of them.

    Raises:
        InputError: there is too little history for the protocol.
    """
    settings, is_own = chosen_settings(core)
    result = evaluate(
        protocol,
        _interactions(core, catalogue),
        core.clock.monotonic_s,
        windows=windows,
        catalogue=catalogue,
        settings=settings,
        is_tuned=is_tuned,
        name="this service's members",
    )
    if not is_tuned:
        result["settings_from"] = "postreel tune" if is_own else "defaults"
    return result


def _interactions(core: Core, catalogue: Catalogue) -> Interactions:
    rows = [batch.unseal(core.seal) for batch in stream_at(core, Tastes, Training, core.standing())]
    tastes = Tastes.concat(rows)
    times = tastes.table.column("last_at").cast(pa.int64()).to_numpy() / 1e6
    # Episodes count for their series, as they do in the model; what the catalogue no longer has is left out.
    vocabulary = Vocabulary.of(catalogue)
    shows = vocabulary.index(tastes.table.column("title_id"))
    kept = np.flatnonzero(shows >= 0)
    titles = [vocabulary.ids[i] for i in shows[kept].tolist()]
    return Interactions.of(tastes.members[kept], titles, times[kept], tastes.column("weight")[kept])
