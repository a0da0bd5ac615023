"""Picks: the best titles for each member, each with its exact reasons.

Runs under Recommendations. A score is a sum over the member's own titles, so the parts that are shown as reasons
are the parts that were added, of the matrix that is served, with the lift in them: they sum to the score, and
without a title the score is lower by exactly its part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from postreel.catalogue import Catalogue
from postreel.errors import InputError
from postreel.recommend.correct import CorrectedMatrix
from postreel.recommend.model import Model
from postreel.recommend.score import (
    EVIDENCE,
    History,
    best_of,
    history_of,
    place_within,
    ranking_keys,
    scores,
)
from postreel.recommend.shelf import Fit, Shelf, eligible, fit_of, hidden_of, shelf_of
from postreel.schema import PICK, REASON, Ids, Mask, Picks, Tastes, fixed_binary, id_array

REASON_COUNT = 3
"""Reasons named with a pick, at most."""
NOTABLE_LIFT = 1.1
"""A lift of more than this is named, where it tells of this week."""
POPULAR = "popular"
"""What `Picks.model` says where nothing of the member's chose."""
_ALSO = np.array(["lift", "content", POPULAR], object)
_CELLS = 4_000_000


@dataclass(frozen=True)
class Explanation:
    """All that moved one title's score for one member.

    Attributes:
        title_ids: the member's liked titles that the model knows, in order of id.
        contributions: (n,) signed part of each; with `popular` they sum to `score`.
        evidence: what each rests on.
        popular: the part of being popular, which rests on no title of theirs.
        score: as served. A member without a liked title has the popular part alone; their picks say 0.
        lift: what the whole sum was multiplied by; it is in all parts.
    """

    title_ids: tuple[str, ...]
    contributions: NDArray[np.float64]
    evidence: tuple[str, ...]
    popular: float
    score: float
    lift: float


def picks_for(
    tastes: Tastes, model: Model, catalogue: Catalogue, now: datetime, k: int = 10, fit: Fit | None = None
) -> Picks:
    """The k best titles for each member of the tastes.

    Left out are titles that are seen, not available now, unfit or hidden. A series has one place: as itself for
    who has not begun it, and as the next unseen episode for who has begun and liked it. Where fewer than k titles
    have a positive score, popular ones follow with score 0, no reasons and `popular` in `also`.

    Args:
        tastes: all rows of each member in it, in any order.
        now: aware UTC; decides availability, and whether there is a trend to speak of (`Model.at`).
        fit: None: nobody is limited.
    """
    history = history_of(tastes, model.vocabulary)
    model, is_weekly = model.at(now), model.has_weekly_trend(now)
    shelf = shelf_of(model, catalogue, now, set(fit_of(history.members, fit)[1]))
    parts = [_picks_of(h, model, shelf, k, fit, is_weekly) for h in _chunks(history, model, k)]
    return Picks.concat(parts)


def popular_picks(
    members: Ids, model: Model, catalogue: Catalogue, now: datetime, k: int = 10, fit: Fit | None = None
) -> Picks:
    """Popular titles for members who may not be personalised: nothing of theirs is used but `fit`."""
    ids = np.unique(members)
    shelf = shelf_of(model, catalogue, now, set(fit_of(ids, fit)[1]))
    size = len(model.vocabulary)
    none, nothing = np.empty(0, np.int64), sparse.csr_array((len(ids), size), dtype=np.float64)
    history = History(ids, nothing, none, none, none, none, none, none)
    return Picks.concat(
        [_picks_of(h, model, shelf, k, fit, is_weekly=False) for h in _chunks(history, model, k)]
    )


def explanation(tastes: Tastes, model: Model, member: bytes, title_id: str, now: datetime) -> Explanation:
    """The whole signed sum behind one member's score of one title at a time, for their export and for checks.

    Raises:
        InputError: the model does not know the title.
    """
    model = model.at(now)
    titles = model.vocabulary.index(pa.array([title_id]))
    if titles[0] < 0:
        raise InputError(f"the model does not know a title {title_id!r}; train again after catalogue changes")
    history = history_of(tastes.where(tastes.members == id_array([member])[0]), model.vocabulary)
    popular = float((model.bias * model.lift)[titles[0]])
    if len(history.members) == 0:
        return Explanation((), np.empty(0), (), popular, popular, float(model.lift[titles[0]]))
    _, entry, value, _ = _parts_of(history, model, np.zeros(1, np.int64), titles)
    sources = history.liked.indices[entry]
    return Explanation(
        title_ids=tuple(model.vocabulary.ids[j] for j in sources),
        contributions=value,
        evidence=tuple(EVIDENCE[e] for e in history.evidence[entry]),
        popular=popular,
        score=float(scores(history.liked, model)[0, titles[0]]),
        lift=float(model.lift[titles[0]]),
    )


def _chunks(history: History, model: Model, k: int) -> Iterator[History]:
    """The same members in pieces whose dense scores and reasons stay small in memory."""
    cost = np.diff(history.liked.indptr) * k + max(1, len(model.vocabulary))
    total = np.concatenate([[0], np.cumsum(cost)])
    order = np.argsort(history.seen_rows, kind="stable")
    seen_rows, seen_titles = history.seen_rows[order], history.seen_titles[order]
    begin = 0
    while begin < len(history.members):
        end = int(np.searchsorted(total, total[begin] + _CELLS, "right")) - 1
        end = min(max(end, begin + 1), len(history.members))
        a, b = history.liked.indptr[begin], history.liked.indptr[end]
        c, d = np.searchsorted(seen_rows, [begin, end])
        is_here = (history.part_rows >= begin) & (history.part_rows < end)
        yield History(
            history.members[begin:end],
            history.liked[begin:end],
            history.evidence[a:b],
            seen_rows[c:d] - begin,
            seen_titles[c:d],
            history.part_rows[is_here] - begin,
            history.part_places[is_here],
            history.part_times[is_here],
        )
        begin = end


def _picks_of(
    history: History, model: Model, shelf: Shelf, k: int, fit: Fit | None, is_weekly: bool
) -> Picks:
    keys = ranking_keys(scores(history.liked, model), model)
    allowed, following = eligible(history.members, history, model, shelf, fit)
    rows, titles = best_of(keys, allowed, k)
    value = np.maximum(keys[rows, titles], 0.0)
    is_scored = value > 0
    nameable = _nameable(history, model, shelf, fit)
    reasons, has_content, is_popular = _reasons(history, model, rows, titles, is_scored, nameable)
    is_lifted = is_scored & (model.lift[titles] > NOTABLE_LIFT) & is_weekly
    also = np.stack([is_lifted, has_content, is_popular | ~is_scored], axis=1)
    ids = np.asarray([*model.vocabulary.ids, *model.vocabulary.parts], object)
    part = following.of(rows, titles, len(model.vocabulary))
    shown = np.where(part >= 0, len(model.vocabulary) + part, titles)
    picks = pa.StructArray.from_arrays(
        [pa.array(ids[shown], pa.string()), pa.array(value), reasons, _also_lists(also)],
        fields=list(PICK),
    )
    per_member = np.bincount(rows, minlength=len(history.members))
    is_personal = np.bincount(rows[is_scored], minlength=len(history.members)) > 0
    return Picks.of(
        member=fixed_binary(history.members),
        picks=pa.ListArray.from_arrays(_offsets(per_member), picks),
        model=np.where(is_personal, model.name, POPULAR).astype(object),
    )


def _nameable(history: History, model: Model, shelf: Shelf, fit: Fit | None) -> Mask:
    """(nnz,) whether each liked title may be named to its member as a reason."""
    named = shelf.is_nameable[history.liked.indices]
    rows, titles = hidden_of(history.members, model.vocabulary, fit)
    if len(rows):
        size = len(model.vocabulary)
        own = np.repeat(np.arange(len(history.members)), np.diff(history.liked.indptr))
        named &= ~np.isin(own * size + history.liked.indices, rows * size + titles)
    return named


def _parts_of(
    history: History, model: Model, rows: NDArray[np.int64], titles: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], Mask]:
    """Every term of the scores of these (member, title) pairs.

    Returns:
        (t,) number of the pair, (t,) entry of `history.liked`, (t,) signed part with the lift in it,
        (t,) whether co-watching has a say in it.
    """
    liked = history.liked
    counts = np.diff(liked.indptr)[rows].astype(np.int64)
    pair = np.repeat(np.arange(len(rows)), counts)
    entry = liked.indptr[rows][pair].astype(np.int64) + place_within(pair)
    source, target = liked.indices[entry].astype(np.int64), titles[pair]
    watched = _at(model.matrix, source, target)
    likeness = np.asarray(model.features[source].multiply(model.features[target]).sum(axis=1)).ravel()
    part = watched + model.settings.content_weight * likeness * model.demand[target]
    part = np.where(source == target, 0.0, part) * liked.data[entry] * model.lift[target]
    return pair, entry, part, watched != 0


def _at(matrix: Any, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) the entries of a sparse matrix at these places."""
    if len(rows) == 0:
        return np.empty(0)
    if isinstance(matrix, CorrectedMatrix):
        return matrix.entries(rows, columns)
    found = matrix[rows, columns]
    return np.asarray(found.toarray() if sparse.issparse(found) else found, np.float64).ravel()


def _reasons(
    history: History,
    model: Model,
    rows: NDArray[np.int64],
    titles: NDArray[np.int64],
    is_scored: Mask,
    nameable: Mask,
) -> tuple[Any, Mask, Mask]:
    """An Arrow list of reasons for each pick; (p,) whether facts alone, or being popular, carry most of its mass.

    The mass is the sum of all positive parts, that of being popular with them.
    """
    chosen = np.flatnonzero(is_scored)
    pair, entry, part, is_watched = _parts_of(history, model, rows[chosen], titles[chosen])
    positive = np.maximum(part, 0.0)
    popular = (model.bias * model.lift)[titles[chosen]]
    mass = np.bincount(pair, weights=positive, minlength=len(chosen)) + popular
    content = np.bincount(pair, weights=positive * ~is_watched, minlength=len(chosen))
    has_content, is_popular = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    has_content[chosen] = content > 0.5 * mass
    is_popular[chosen] = popular > 0.5 * mass
    kept = np.flatnonzero((part > 0) & nameable[entry])
    kept = kept[np.lexsort((history.liked.indices[entry[kept]], -part[kept], pair[kept]))]
    kept = kept[place_within(pair[kept]) < REASON_COUNT]
    ids = np.asarray(model.vocabulary.ids, object)
    reasons = pa.StructArray.from_arrays(
        [
            pa.array(ids[history.liked.indices[entry[kept]]], pa.string()),
            pa.array(part[kept]),
            pa.array(part[kept] / mass[pair[kept]]),
            pa.array(np.asarray(EVIDENCE, object)[history.evidence[entry[kept]]], pa.string()),
        ],
        fields=list(REASON),
    )
    per_pick = np.bincount(chosen[pair[kept]], minlength=len(rows))
    return pa.ListArray.from_arrays(_offsets(per_pick), reasons), has_content, is_popular


def _also_lists(flags: NDArray[np.bool_]) -> Any:
    names = np.broadcast_to(_ALSO, flags.shape)[flags]
    return pa.ListArray.from_arrays(_offsets(flags.sum(axis=1)), pa.array(names, pa.string()))


def _offsets(counts: NDArray[Any]) -> Any:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
