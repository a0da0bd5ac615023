"""The shelf: what of a catalogue may be put before whom, and which episode of a series comes next.

Runs under Recommendations. A series has one place in a list: as itself for who has not begun it, as the next unseen
episode for who has, and none for who has seen it to its end or did not like what they saw.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.catalogue import Catalogue, Title
from postreel.recommend.contributions import Vocabulary
from postreel.recommend.model import Model
from postreel.recommend.score import History
from postreel.schema import Ids, Mask

_LATE = 1 << 20


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
            as a pick nor as a reason. A hidden episode hides its series.
    """

    members: Ids
    maturity: NDArray[np.int32]
    regions: NDArray[Any]
    hidden_members: Ids = field(default_factory=_no_ids)
    hidden_titles: NDArray[Any] = field(default_factory=_no_titles)


@dataclass(frozen=True)
class Shelf:
    """The catalogue at one time, along the vocabulary's axis.

    Attributes:
        is_open: region to (V,) mask of shows that can be begun there now.
        maturity: (V,) from which age.
        is_nameable: (V,) may be named as a reason: in the catalogue, and neither it nor a part of it sensitive.
        order: (e,) parts in the order of watching, the series one after the other.
        position: (parts,) where each part stands in `order`; -1: nowhere.
        owner: (e,) the series of each place in `order`.
        is_part_open: region to (e,) mask.
        part_maturity: (e,) from which age.
    """

    is_open: dict[str | None, Mask]
    maturity: NDArray[np.int64]
    is_nameable: Mask
    order: NDArray[np.int64]
    position: NDArray[np.int64]
    owner: NDArray[np.int64]
    is_part_open: dict[str | None, Mask]
    part_maturity: NDArray[np.int64]


@dataclass(frozen=True)
class Next:
    """The episode that comes next: (n,) member number and series, sorted by both, and (n,) part."""

    rows: NDArray[np.int64]
    shows: NDArray[np.int64]
    parts: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64], shows: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """The part that stands for each of these members and shows; -1 where the show stands for itself."""
        if len(self.rows) == 0:
            return np.full(len(rows), -1, np.int64)
        keys, wanted = self.rows * size + self.shows, rows * size + shows
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, self.parts[at], -1)


def shelf_of(model: Model, catalogue: Catalogue, now: datetime, regions: set[str | None]) -> Shelf:
    """The catalogue as these regions see it at this time (aware UTC)."""
    vocabulary = model.vocabulary
    titles = [catalogue.get(i) for i in vocabulary.ids]
    parts = [catalogue.get(i) for i in vocabulary.parts]
    order = _watching_order(parts, vocabulary)
    owners = np.array(vocabulary.owners, np.int64)
    position = np.full(len(parts), -1, np.int64)
    position[order] = np.arange(len(order))
    nameable = np.array([t is not None and not t.sensitive for t in titles], np.bool_)
    sensitive = [
        owner for owner, t in zip(vocabulary.owners, parts, strict=True) if t is not None and t.sensitive
    ]
    nameable[sensitive] = False
    owner = owners[order]
    is_first = np.diff(owner, prepend=-1) != 0
    is_open: dict[str | None, Mask] = {}
    is_part_open: dict[str | None, Mask] = {}
    for region in regions:
        is_part_open[region] = _open([parts[i] for i in order.tolist()], now, region)
        is_open[region] = _open(titles, now, region)
        # Who begins a series begins with its first part.
        is_open[region][owner[is_first & ~is_part_open[region]]] = False
    return Shelf(
        is_open=is_open,
        maturity=np.array([0 if t is None else t.maturity for t in titles], np.int64),
        is_nameable=nameable,
        order=order,
        position=position,
        owner=owner,
        is_part_open=is_part_open,
        part_maturity=np.array(
            [0 if (t := parts[i]) is None else t.maturity for i in order.tolist()], np.int64
        ),
    )


def _open(titles: list[Title | None], now: datetime, region: str | None) -> Mask:
    return np.array(
        [t is not None and _is_offered(t) and t.is_available(now, region) for t in titles], np.bool_
    )


def _is_offered(title: Title) -> bool:
    """Whether it stands in a list by itself: not a later part of a series that the catalogue does not hold."""
    return title.series_id is None or title.kind == "episode" or (title.season or 1) == 1


def _watching_order(parts: list[Title | None], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Parts by series, season and episode; seasons themselves only where a series has no episodes."""
    owners = np.array(vocabulary.owners, np.int64)
    is_episode = np.array([t is not None and t.kind == "episode" for t in parts], np.bool_)
    has_episodes = np.zeros(len(vocabulary) + 1, np.bool_)
    has_episodes[owners[is_episode]] = True
    season = np.array([_LATE if t is None else t.season or 1 for t in parts], np.int64)
    episode = np.array([_LATE if t is None else t.episode or 0 for t in parts], np.int64)
    order = np.lexsort((np.arange(len(parts)), episode, season, owners))
    return order[(is_episode | ~has_episodes[owners])[order]].astype(np.int64)


def eligible(members: Ids, seen: History, model: Model, shelf: Shelf, fit: Fit | None) -> tuple[Mask, Next]:
    """(m, V) whether a show may be put before a member, and the episode that stands for one that was begun.

    On offer, fit, not hidden, and not seen; a series that was begun and liked stays while its next part may be
    shown.

    Args:
        members: (m,) sorted; `seen` has the same members.
        fit: None: nobody is limited.
    """
    maturity, regions = fit_of(members, fit)
    size = len(model.vocabulary)
    allowed = np.zeros((len(members), size), np.bool_)
    following = _next_parts(seen, shelf, size)
    is_fit = shelf.part_maturity[shelf.position[following.parts]] <= maturity[following.rows]
    for region in set(regions):
        rows = np.array([r == region for r in regions], np.bool_)
        allowed[rows] = shelf.is_open[region]
        there = rows[following.rows]
        is_fit &= ~there | shelf.is_part_open[region][shelf.position[following.parts]]
    allowed &= shelf.maturity <= maturity[:, None]
    # Nothing of a series that was begun is offered for being open to newcomers, only for its next part.
    may_go_on = is_fit & (shelf.maturity[following.shows] <= maturity[following.rows])
    allowed[seen.seen_rows, seen.seen_titles] = False
    following = Next(following.rows[may_go_on], following.shows[may_go_on], following.parts[may_go_on])
    allowed[following.rows, following.shows] = True
    rows, titles = hidden_of(members, model.vocabulary, fit)
    allowed[rows, titles] = False
    return allowed, following


def _next_parts(seen: History, shelf: Shelf, size: int) -> Next:
    """The first unseen part after the one seen last, of each series that a member has begun and likes."""
    at = shelf.position[seen.part_places]
    kept = at >= 0
    row, at, time = seen.part_rows[kept], at[kept], seen.part_times[kept]
    none = np.empty(0, np.int64)
    if len(row) == 0:
        return Next(none, none, none)
    show = shelf.owner[at]
    order = np.lexsort((at, time, show, row))
    key = (row * size + show)[order]
    last = order[np.flatnonzero(np.diff(key, append=-1) != 0)]
    count = len(shelf.order)
    seen_keys = np.unique(row * count + at)
    row, show, step = row[last], show[last], at[last] + 1
    going = np.ones(len(row), np.bool_)
    while going.any():
        inside = step < count
        going = inside & (shelf.owner[np.minimum(step, count - 1)] == show)
        going &= np.isin(row * count + step, seen_keys)
        step = step + going
    has_next = (step < count) & (shelf.owner[np.minimum(step, count - 1)] == show)
    own = np.repeat(np.arange(len(seen.members)), np.diff(seen.liked.indptr))
    has_next &= np.isin(row * size + show, own * size + seen.liked.indices)
    return Next(row[has_next], show[has_next], shelf.order[step[has_next]])


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
