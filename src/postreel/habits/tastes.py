"""Tastes: what each member's history says of each title, as the recommender takes it in.

Purpose History; stored by flows/refresh, read under Recommendations and Training. Completion is the confidence of
an implicit rating (Hu, Koren and Volinsky 2008, section 4); a rating that was given speaks louder than either.
The curve and the rules stand in docs/reference/habits.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.catalogue import Catalogue
from postreel.habits.arrays import Ints, codes_of, starts_of
from postreel.habits.beats import times_of
from postreel.habits.sessions import SAMPLE_MS, sessions_of
from postreel.schema import TIME, Mask, Plays, Sessions, Tastes, fixed_binary

NOTHING_AT, ALL_AT = 0.2, 0.9
"""Completion up to which a viewing says nothing for a title, and from which it says all it can."""
RATINGS = (2.5, 3.5, 5.0)
RATING_WEIGHTS = (0.0, 0.6, 1.0)
UNKNOWN_LENGTH = 0.6
"""Weight of a viewing of which an export tells neither length nor completion: somebody chose it, no more is known."""
LISTED = 0.3
"""Weight of a title on the member's list: wished for, not yet tried."""
RATED_BY = ("movielens",)
"""Sources whose viewings were only concluded from a rating at the same moment."""

Weights = NDArray[np.float64]


def viewing_weight(completion: Weights) -> Weights:
    """(n,) weight in [0, 1] of titles seen to this share: 0 up to NOTHING_AT, rising evenly to 1 at ALL_AT."""
    return np.interp(completion, (NOTHING_AT, ALL_AT), (0.0, 1.0))


def rating_weight(rating: Weights) -> Weights:
    """(n,) weight in [0, 1] of ratings from 0.5 to 5: nothing up to 2.5, 0.6 at 3.5, 1 at 5."""
    return np.interp(rating, RATINGS, RATING_WEIGHTS)


def tastes_of(plays: Plays, catalogue: Catalogue) -> Tastes:
    """One row a member and title, sorted by both.

    Args:
        plays: n events; all events of a member, in any order.
        catalogue: for running times.
    """
    if len(plays) == 0:
        return Tastes.empty()
    sessions = sessions_of(plays, catalogue)
    names = pa.chunked_array(
        [*plays.table.column("title_id").chunks, *sessions.table.column("title_id").chunks], pa.string()
    )
    whose = pa.chunked_array(
        [*plays.table.column("member").chunks, *sessions.table.column("member").chunks], pa.binary(16)
    )
    title, titles = codes_of(names)
    member, members = codes_of(whose)
    pair = np.where(title >= 0, member * max(len(titles), 1) + title, -1)
    pairs = np.unique(pair[pair >= 0])
    place = np.where(pair >= 0, np.searchsorted(pairs, pair), -1)
    signs = _Signs.of(len(pairs))
    _add_events(signs, plays, place[: len(plays)])
    _add_sessions(signs, sessions, place[len(plays) :])
    return _table(signs, pairs, members, titles)


@dataclass(frozen=True)
class _Signs:
    """What is known of each member and title; NaN and False until told. `last` is microseconds since 1970."""

    rating: Weights
    viewing: Weights
    is_viewed: Mask
    is_only_rated: Mask
    is_told: Mask
    is_listed: Mask
    last: Ints

    @classmethod
    def of(cls, count: int) -> _Signs:
        viewed, only_rated, told, listed = np.zeros((4, count), np.bool_)
        last = np.full(count, np.iinfo(np.int64).min)
        return cls(np.full(count, np.nan), np.zeros(count), viewed, only_rated, told, listed, last)


def _add_events(signs: _Signs, plays: Plays, place: Ints) -> None:
    """Ratings, the latest of each title, and what stands on the list."""
    kind, kinds = codes_of(plays.table.column("kind"))
    source, sources = codes_of(plays.table.column("source"))
    at, value = times_of(plays), plays.column("value")
    codes = {name: i for i, name in enumerate(kinds)}
    is_rating = (kind == codes.get("rating", -2)) & (place >= 0) & ~np.isnan(value)
    latest = _latest(place, at, value, is_rating)
    signs.rating[place[latest]] = value[latest]
    signs.last[place[latest]] = np.maximum(signs.last[place[latest]], at[latest])

    is_list = np.isin(kind, [codes.get("list_add", -2), codes.get("list_remove", -2)]) & (place >= 0)
    added = (kind == codes.get("list_add", -2)).astype(np.float64)
    latest = _latest(place, at, added, is_list)
    latest = latest[added[latest] > 0]
    signs.is_listed[place[latest]] = True
    signs.last[place[latest]] = np.maximum(signs.last[place[latest]], at[latest])

    # A viewing that a source only concluded from a rating of the same moment is no more than that rating.
    concluded = np.array([name in RATED_BY for name in sources] + [False])[source]
    is_viewing = (kind == codes.get("watched", -2)) & (place >= 0)
    rated_at = np.unique(np.stack((place[is_rating], at[is_rating]), 1), axis=0) if is_rating.any() else None
    own = is_viewing & ~(concluded & _is_among_rows(place, at, rated_at))
    is_beat = np.isin(kind, [codes.get(k, -2) for k in ("play", "heartbeat", "seek", "pause", "stop")]) & (
        place >= 0
    )
    signs.is_only_rated[place[is_viewing]] = True
    signs.is_only_rated[place[own | is_beat]] = False
    is_bare = is_viewing & np.isnan(value) & np.isnan(plays.column("watched_s"))
    signs.is_told[place[is_bare]] = True


def _is_among_rows(place: Ints, at: Ints, rows: Ints | None) -> Mask:
    """(n,) whether the pair of place and time stands among these sorted rows."""
    if rows is None:
        return np.zeros(len(place), np.bool_)
    both = np.concatenate((rows, np.stack((place, at), 1)))
    _, codes = np.unique(both, axis=0, return_inverse=True)
    is_there = np.zeros(int(codes.max()) + 1, np.bool_)
    is_there[codes[: len(rows)]] = True
    return is_there[codes[len(rows) :]]


def _latest(place: Ints, at: Ints, value: Weights, among: Mask) -> Ints:
    """Rows, one a place: the latest of those flagged, and the greatest value where two are at once."""
    rows = np.flatnonzero(among)
    rows = rows[np.lexsort((value[rows], at[rows], place[rows]))]
    first = starts_of(place[rows])
    return rows[np.append(first[1:], len(rows)) - 1] if len(rows) else rows


def _add_sessions(signs: _Signs, sessions: Sessions, place: Ints) -> None:
    """What the sittings with each title amount to. Sessions come sorted, so the last of each place tells all."""
    if len(sessions) == 0:
        return
    completion, watched = sessions.column("completion"), np.nan_to_num(sessions.column("watched_s"))
    first = starts_of(place)
    last = np.append(first[1:], len(place)) - 1
    total = np.add.reduceat(watched, first)
    share = completion[last]
    some = np.minimum(total / (20 * 60), 1.0) * UNKNOWN_LENGTH
    at = place[first]
    is_told = signs.is_told[at]
    unsure = np.where(is_told, UNKNOWN_LENGTH, some)
    weight = np.where(np.isnan(share), unsure, viewing_weight(np.nan_to_num(share)))
    is_left = np.asarray(sessions.table.column("is_abandoned").to_numpy(), np.bool_)[last]
    weight = np.where(is_left, 0.0, weight)
    is_viewed = (total * 1000 >= SAMPLE_MS) | (np.nan_to_num(share) >= NOTHING_AT) | is_told
    signs.viewing[at] = np.where(is_viewed, weight, 0.0)
    signs.is_viewed[at] = is_viewed
    ended = np.maximum.reduceat(sessions.table.column("ended").cast("int64").to_numpy(), first)
    signs.last[at] = np.where(is_viewed, np.maximum(signs.last[at], ended), signs.last[at])


def _table(signs: _Signs, pairs: Ints, members: list[bytes], titles: list[str]) -> Tastes:
    is_rated = ~np.isnan(signs.rating)
    is_seen = signs.is_viewed | is_rated
    weight = np.where(is_rated, rating_weight(np.nan_to_num(signs.rating)), signs.viewing)
    weight = np.where(is_seen, weight, LISTED)
    evidence = np.where(signs.is_viewed & ~signs.is_only_rated, 0, np.where(is_seen, 1, 2))
    rows = np.flatnonzero(is_seen | signs.is_listed)
    width = max(len(titles), 1)
    return Tastes.of(
        member=fixed_binary(np.array(members, "S16")[pairs[rows] // width]),
        title_id=pa.array(titles, pa.string()).take(pa.array(pairs[rows] % width)),
        weight=weight[rows],
        evidence=pa.array(["watched", "rated", "listed"]).take(pa.array(evidence[rows])),
        is_seen=is_seen[rows],
        last_at=pa.array(signs.last[rows]).cast(TIME),
    )
