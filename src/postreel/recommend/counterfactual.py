"""Counterfactuals: where a pick would stand without one of the titles that speak for it.

Runs under Recommendations. A reason says by how much the score would be lower; the rank is another matter, since the
other titles lose as well. This works it out, with the model as it stands and the title still counted as seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from postreel.catalogue import Catalogue
from postreel.recommend.model import Model
from postreel.recommend.picks import picks_for
from postreel.recommend.score import history_of, ranking_keys, scores
from postreel.recommend.shelf import Fit, eligible, fit_of, shelf_of
from postreel.schema import Tastes


@dataclass(frozen=True)
class Counterfactual:
    """One pick of one member.

    Attributes:
        title_id: as picked.
        rank: where it stands, from 1.
        without: for each reason named, the title and the rank without it.
    """

    title_id: str
    rank: int
    without: tuple[tuple[str, int], ...]


def counterfactuals(
    tastes: Tastes, model: Model, catalogue: Catalogue, now: datetime, k: int = 10, fit: Fit | None = None
) -> list[Counterfactual]:
    """The picks of `picks_for` for one member, with their ranks now and without each reason's title.

    Args:
        tastes: all rows of one member; of several, the first by id is taken.
    """
    rows = picks_for(tastes, model, catalogue, now, k, fit).table.slice(0, 1).to_pylist()
    if not rows:
        return []
    picks = rows[0]["picks"]
    model = model.at(now)
    history = history_of(tastes.where(tastes.members == np.bytes_(rows[0]["member"])), model.vocabulary)
    shelf = shelf_of(model, catalogue, now, set(fit_of(history.members, fit)[1]))
    allowed, following = eligible(history.members, history, model, shelf, fit)
    show = {model.vocabulary.parts[p]: int(s) for p, s in zip(following.parts, following.shows, strict=True)}
    place = {title: i for i, title in enumerate(model.vocabulary.ids)} | show
    named = sorted({place[r["title_id"]] for pick in picks for r in pick["reasons"]})
    # The first row is the history as it is; each other leaves one title out.
    changed = sparse.lil_array(np.repeat(history.liked.toarray(), len(named) + 1, axis=0))
    for row, title in enumerate(named, 1):
        changed[row, title] = 0.0
    keys = ranking_keys(scores(sparse.csr_array(changed), model), model)
    keys[:, ~allowed[0]] = -np.inf
    row_of = {title: row for row, title in enumerate(named, 1)}
    return [
        Counterfactual(
            pick["title_id"],
            _rank(keys[0], place[pick["title_id"]]),
            tuple(
                (r["title_id"], _rank(keys[row_of[place[r["title_id"]]]], place[pick["title_id"]]))
                for r in pick["reasons"]
            ),
        )
        for pick in picks
    ]


def _rank(keys: NDArray[np.float64], title: int) -> int:
    ahead = np.count_nonzero(keys > keys[title]) + np.count_nonzero(keys[:title] == keys[title])
    return int(ahead) + 1
