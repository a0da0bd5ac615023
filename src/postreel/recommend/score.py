"""Scores: from members' tastes and a model to one number a member and title, and to the best few.

Runs under Recommendations. Arrays only; `picks` makes the table. Everything is summed in the order of the
titles' ids through sparse products, so a member's scores depend on neither row order nor who shares the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from postreel.catalogue import Catalogue, Title
from postreel.errors import InputError
from postreel.recommend.contributions import Vocabulary, checked_weights, places_in
from postreel.recommend.model import Model
from postreel.schema import Ids, Mask, Tastes

EVIDENCE = ("watched", "rated", "listed")
"""What a taste rests on, as reasons say it."""

NOISE = 1e-12
"""What rounding may leave of a sum that is 0."""


def _no_ids() -> Ids:
    return np.empty(0, "S16")


def _no_titles() -> NDArray[Any]:
    return np.empty(0, object)


@dataclass(frozen=True)
class Fit:
    """What may be shown to whom, beside the tastes.

    Attributes:
        members: (m,) sorted ids. A member who is not here gets only titles for all ages.
        maturity: (m,) the highest rating shown to each.
        regions: (m,) ISO 3166-1 codes, None where unknown.
        hidden_members, hidden_titles: (h,) pairs of a member and a title id that they do not want to see, neither
            as a pick nor as a reason.
    """

    members: Ids
    maturity: NDArray[np.int32]
    regions: NDArray[Any]
    hidden_members: Ids = field(default_factory=_no_ids)
    hidden_titles: NDArray[Any] = field(default_factory=_no_titles)


@dataclass(frozen=True)
class History:
    """Tastes as matrices.

    Attributes:
        members: (m,) sorted ids.
        liked: sparse (m, V) weights above 0, indices ascending.
        evidence: (nnz,) index into EVIDENCE, one an entry of `liked`.
        seen_rows, seen_titles: (s,) pairs of a member's number and a title's index that were seen.
    """

    members: Ids
    liked: Any
    evidence: NDArray[np.int64]
    seen_rows: NDArray[np.int64]
    seen_titles: NDArray[np.int64]


def history_of(tastes: Tastes, vocabulary: Vocabulary) -> History:
    """The tastes of each member as matrices over the vocabulary; titles outside it are left out.

    Raises:
        InputError: a weight outside [0, 1], an evidence that is not in EVIDENCE, a member and title twice.
    """
    table = tastes.table
    title = vocabulary.index(table.column("title_id"))
    weight = checked_weights(tastes)
    members, row = np.unique(tastes.members, return_inverse=True)
    evidence = places_in(table.column("evidence").combine_chunks(), pa.array(EVIDENCE))
    if np.any(evidence < 0):
        raise InputError(
            f"the evidence of a taste is one of {', '.join(EVIDENCE)}; correct how tastes are made"
        )
    is_seen = np.asarray(table.column("is_seen").fill_null(True).to_numpy(), np.bool_) & (title >= 0)
    kept = np.flatnonzero((weight > 0) & (title >= 0))
    kept = kept[np.lexsort((title[kept], row[kept]))]
    rows, columns = row[kept], title[kept]
    if np.any((np.diff(rows) == 0) & (np.diff(columns) == 0)):
        raise InputError("tastes repeat a member and title; give one row for each")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(members)))])
    liked = sparse.csr_array((weight[kept], columns, indptr), shape=(len(members), len(vocabulary)))
    return History(members, liked, evidence[kept], row[is_seen], title[is_seen])


def scores(liked: Any, model: Model) -> NDArray[np.float64]:
    """(m, V) score of every title: (x M + content_weight ((x F) F' - x) demand + bias) times lift.

    Without a liked title the bias alone is left, which is the same for everybody.

    Args:
        liked: sparse (m, V) weights. The subtracted x takes out each title's likeness to itself.
    """
    total = (liked @ model.matrix).toarray()
    weight = model.settings.content_weight
    if weight and model.features.nnz:
        total += weight * ((liked @ model.features) @ model.features.T).toarray() * model.demand
        own = liked.tocoo()
        total[own.row, own.col] -= weight * own.data * (has_facts(model) * model.demand)[own.col]
    total += model.bias
    total *= model.lift
    return total


def ranking_keys(score: NDArray[np.float64], model: Model) -> NDArray[np.float64]:
    """(m, V) what titles are ranked by, highest first: scores above 0, then negative numbers for popular ones.

    A title has a score where the member's own titles speak for it on the whole: being popular alone does not
    count as one, so that whatever is ranked by score has a reason to be named.
    """
    rank = np.empty(len(model.vocabulary), np.int64)
    rank[model.popular] = np.arange(len(rank))
    return np.where((score - model.bias * model.lift > NOISE) & (score > 0), score, -1.0 - rank)


def has_facts(model: Model) -> Mask:
    """(V,) whether the catalogue told anything of each title that another shares."""
    return np.diff(model.features.indptr) > 0


@dataclass(frozen=True)
class Shelf:
    """The catalogue at one time, along the vocabulary's axis.

    Attributes:
        is_open: region to (V,) mask of titles that can be shown and watched there now.
        maturity: (V,) from which age.
        series: (V,) number of the series that a title is or belongs to; one number for each single title.
        has_series: whether any two titles share a series.
        is_nameable: (V,) may be named as a reason: in the catalogue and not sensitive.
    """

    is_open: dict[str | None, Mask]
    maturity: NDArray[np.int64]
    series: NDArray[np.int64]
    has_series: bool
    is_nameable: Mask


def shelf_of(model: Model, catalogue: Catalogue, now: datetime, regions: set[str | None]) -> Shelf:
    """The catalogue as these regions see it at this time (aware UTC)."""
    titles = [catalogue.get(i) for i in model.vocabulary.ids]
    names = np.array([_series_key(t, i) for t, i in zip(titles, model.vocabulary.ids, strict=True)], object)
    _, series = np.unique(names.astype(str), return_inverse=True)
    return Shelf(
        is_open={
            region: np.array(
                [t is not None and _is_offered(t) and t.is_available(now, region) for t in titles], np.bool_
            )
            for region in regions
        },
        maturity=np.array([0 if t is None else t.maturity for t in titles], np.int64),
        series=series,
        has_series=len(np.unique(series)) < len(series),
        is_nameable=np.array([t is not None and not t.sensitive for t in titles], np.bool_),
    )


def _series_key(title: Title | None, title_id: str) -> str:
    return title_id if title is None or title.series_id is None else title.series_id


def _is_offered(title: Title) -> bool:
    """Whether a newcomer can begin here: not at a later season or episode of a series."""
    if title.series_id is None:
        return True
    return (title.season or 1) == 1 and (title.episode or 1) == 1


def eligible(members: Ids, seen: History | None, model: Model, shelf: Shelf, fit: Fit | None) -> Mask:
    """(m, V) whether a title may be put before a member: on offer, fit, not hidden, nothing of its series seen.

    Args:
        members: (m,) sorted; `seen` has the same members, or is None.
        fit: None: nobody is limited.
    """
    maturity, regions = fit_of(members, fit)
    allowed = np.zeros((len(members), len(model.vocabulary)), np.bool_)
    for region in set(regions):
        rows = np.array([r == region for r in regions], np.bool_)
        allowed[rows] = shelf.is_open[region]
    allowed &= shelf.maturity <= maturity[:, None]
    rows, titles = hidden_of(members, model.vocabulary, fit)
    if seen is not None:
        rows = np.concatenate([rows, seen.seen_rows])
        titles = np.concatenate([titles, seen.seen_titles])
    if shelf.has_series:
        begun = np.zeros((len(members), int(shelf.series.max(initial=0)) + 1), np.bool_)
        begun[rows, shelf.series[titles]] = True
        allowed &= ~begun[:, shelf.series]
    else:
        allowed[rows, titles] = False
    return allowed


def fit_of(members: Ids, fit: Fit | None) -> tuple[NDArray[np.int64], list[str | None]]:
    """(m,) maturity and region of each member; strictest where the member is not in `fit`."""
    if fit is None:
        return np.full(len(members), np.iinfo(np.int32).max, np.int64), [None] * len(members)
    if len(fit.members) == 0:
        return np.zeros(len(members), np.int64), [None] * len(members)
    at = np.minimum(np.searchsorted(fit.members, members), len(fit.members) - 1)
    known = fit.members[at] == members
    maturity = np.where(known, fit.maturity[at], 0).astype(np.int64)
    regions = [r if k and isinstance(r, str) else None for r, k in zip(fit.regions[at], known, strict=True)]
    return maturity, regions


def hidden_of(
    members: Ids, vocabulary: Vocabulary, fit: Fit | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(h,) member numbers and title indices of what these members hid."""
    if fit is None or len(fit.hidden_members) == 0 or len(members) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    row = np.minimum(np.searchsorted(members, fit.hidden_members), len(members) - 1)
    title = vocabulary.index(pa.array(fit.hidden_titles, pa.string()))
    kept = (members[row] == fit.hidden_members) & (title >= 0)
    return row[kept].astype(np.int64), title[kept]


def best_of(
    key: NDArray[np.float64], allowed: Mask, shelf: Shelf, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The k best titles of each row: (p,) row numbers ascending, and titles best first.

    By `ranking_keys`, which are changed here; one of a series; ties by title id.
    """
    size = key.shape[1]
    # A series is offered as itself, its first season or first episode: three times k hold k of them.
    width = min(size, 3 * k if shelf.has_series else k)
    if width == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    key[~allowed] = -np.inf
    threshold = np.partition(key, size - width, axis=1)[:, size - width]
    rows, titles = np.nonzero((key >= threshold[:, None]) & allowed)
    order = np.lexsort((titles, -key[rows, titles], rows))
    rows, titles = rows[order], titles[order]
    if shelf.has_series:
        _, first = np.unique(rows * (int(shelf.series.max()) + 1) + shelf.series[titles], return_index=True)
        kept = np.sort(first)
        rows, titles = rows[kept], titles[kept]
    kept = place_within(rows) < k
    return rows[kept], titles[kept]


def place_within(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) 0, 1, 2 … within each run of equal values of a sorted array."""
    count = len(groups)
    begins = np.flatnonzero(np.diff(groups, prepend=-1) != 0) if count else np.empty(0, np.int64)
    return np.arange(count) - np.repeat(begins, np.diff(np.append(begins, count)))
