"""Sessions: the beats of one sitting with one title, and what they show of it.

Purpose History; stored by flows/refresh, read by `tastes`, `profile`, nudges and reports. Every rule stands in
docs/reference/habits.md with a case worked by hand; the cases are tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.catalogue import Catalogue
from postreel.habits.arrays import Ints, earliest_cover, first_known, running_max, running_sum, starts_of
from postreel.habits.beats import (
    GAP_US,
    HEARTBEAT,
    PAUSE,
    PLAY,
    SEEK,
    SLACK_MS,
    SPEED,
    UNKNOWN,
    Moments,
    Names,
    moments_of,
    runtimes_of,
)
from postreel.schema import TIME, Mask, Plays, Sessions, fixed_binary

COMPLETED = 0.9
"""Share from which a title counts as seen to its end: the rest is credits."""
ABANDONED_BELOW = 0.7
ABANDONED_AFTER_US = 14 * 24 * 3600 * 1_000_000
SAMPLE_MS = 120_000
"""Less than this is a look, not a viewing: it is neither abandoned nor part of a binge."""
BINGE_COUNT = 3
BINGE_GAP_US = 3600 * 1_000_000
DATE_ONLY = ("netflix-history",)
"""Sources that tell the day of a viewing but not its hour."""

_MILLION = 1_000_000


@dataclass(frozen=True)
class _Sittings:
    """One sitting a row. `value` is in millionths; UNKNOWN and NaN stand for what nobody told."""

    pair: Ints
    started: Ints
    ended: Ints
    watched: NDArray[np.float64]
    furthest: NDArray[np.float64]
    value: Ints
    is_placed: Mask
    pause_count: Ints
    rewind_count: Ints
    skip_count: Ints
    device: Ints
    source: Ints

    def where(self, rows: Ints) -> _Sittings:
        return _Sittings(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Segments:
    """Stretches of a title that were played, in milliseconds, each with the row of its sitting."""

    sitting: Ints
    start: Ints
    end: Ints


def sessions_of(plays: Plays, catalogue: Catalogue) -> Sessions:
    """One row a sitting, sorted by member, title and start.

    Depends on each member's own events alone, in whatever order they come and however often each.

    Args:
        plays: n events; all events of a member, or what they say of completion is too little.
        catalogue: for running times and series.
    """
    beats, viewings, last_at, names = moments_of(plays)
    runtime = runtimes_of(names.titles, catalogue)
    width = max(len(names.titles), 1)
    a, a_segments = _of_beats(beats, runtime, width)
    b, b_segments = _of_viewings(viewings, runtime, width)
    both = _Sittings(*(np.concatenate((getattr(a, f), getattr(b, f))) for f in a.__dataclass_fields__))
    if len(both.pair) == 0:
        return Sessions.empty()
    order = np.lexsort((np.nan_to_num(both.watched, nan=-1.0), both.ended, both.started, both.pair))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    segments = _Segments(
        place[np.concatenate((a_segments.sitting, b_segments.sitting + len(a.pair)))],
        np.concatenate((a_segments.start, b_segments.start)),
        np.concatenate((a_segments.end, b_segments.end)),
    )
    return _table(both.where(order), segments, runtime, last_at, names, catalogue)


def _of_beats(m: Moments, runtime: Ints, width: int) -> tuple[_Sittings, _Segments]:
    """Sittings and played stretches from beats."""
    if len(m) == 0:
        return _no_sittings(), _no_segments()
    title_runtime = runtime[m.pair % width]
    cap = np.where(title_runtime > 0, title_runtime, np.iinfo(np.int64).max)
    arrives = np.minimum(np.where(m.kind == SEEK, m.leaves, m.position), cap)
    leaves = np.minimum(np.where(m.kind == SEEK, m.lands, m.position), cap)
    is_playing = _is_playing(m)
    is_same_pair = m.pair[1:] == m.pair[:-1]
    step = (m.at[1:] - m.at[:-1]) // 1000  # wall milliseconds to the next beat
    known = (leaves[:-1] >= 0) & (arrives[1:] >= 0)
    moved = arrives[1:] - leaves[:-1]
    with_clock = known & (moved <= SPEED * step + SLACK_MS)
    # A player that only says play and stop is silent for the length of a film: the position tells that it ran on.
    ran_on = is_playing[:-1] & with_clock & (moved >= 0.5 * step - SLACK_MS) & (moved > 0)
    is_within = is_same_pair & ((step * 1000 <= GAP_US) | ran_on)
    sitting = np.concatenate(([0], np.cumsum(~is_within)))
    arrives, leaves = _filled(
        arrives, leaves, np.where(is_playing[:-1], step, 0), is_within, sitting, m.kind, cap
    )

    told = is_within & known
    limit = np.where(is_playing[:-1], SPEED * step, 0.0) + SLACK_MS
    at_seek = (m.kind == SEEK) & (arrives >= 0) & (leaves >= 0)
    back = (at_seek & (leaves < arrives)).astype(np.int64)
    ahead = (at_seek & (leaves > arrives)).astype(np.int64)
    back[1:] += told & (moved < -SLACK_MS)
    ahead[1:] += told & (moved > limit)
    pauses = m.kind == PAUSE
    pauses[1:] &= ~(is_within & (m.kind[:-1] >= PAUSE))

    gone = arrives[1:] - leaves[:-1]
    is_played = is_within & is_playing[:-1] & (arrives[1:] >= 0) & (leaves[:-1] >= 0)
    is_played &= (gone > 0) & (gone <= SPEED * step + SLACK_MS)
    segments = _Segments(sitting[:-1][is_played], leaves[:-1][is_played], arrives[1:][is_played])

    first = starts_of(sitting)
    count = len(first)
    union = earliest_cover(segments.sitting, segments.start, segments.end, segments.sitting, count)
    is_placed = np.logical_or.reduceat((arrives >= 0) | (leaves >= 0), first)
    reached = np.maximum.reduceat(arrives, first)
    reached = np.where(reached >= 0, reached, np.maximum.reduceat(leaves, first))
    sittings = _Sittings(
        m.pair[first],
        m.at[first],
        m.at[np.append(first[1:], len(m)) - 1],
        np.where(is_placed, union / 1000, np.nan),
        np.where(is_placed, reached / 1000, np.nan),
        np.full(count, UNKNOWN),
        is_placed,
        np.add.reduceat(pauses.astype(np.int64), first),
        np.add.reduceat(back, first),
        np.add.reduceat(ahead, first),
        first_known(m.device, first),
        first_known(m.source, first),
    )
    return sittings, segments


def _is_playing(m: Moments) -> Mask:
    """(n,) whether the player runs after each beat. A seek changes nothing; where one comes first, it runs."""
    told = np.where(m.kind != SEEK, np.arange(len(m)), -1)
    first = starts_of(m.pair)
    start = np.repeat(first, np.diff(np.append(first, len(m))))
    last = np.maximum.accumulate(told)
    kind = m.kind[np.maximum(last, 0)]
    return np.where(last >= start, (kind == PLAY) | (kind == HEARTBEAT), True)


def _filled(
    arrives: Ints, leaves: Ints, running: Ints, is_within: Mask, sitting: Ints, kind: Ints, cap: Ints
) -> tuple[Ints, Ints]:
    """Positions that were left out, reckoned from the sitting's last known one and the time played since."""
    if (arrives >= 0).all() and (leaves >= 0).all():
        return arrives, leaves
    clock = np.concatenate(([0], np.cumsum(np.where(is_within, running, 0))))
    index = np.where(leaves >= 0, np.arange(len(leaves)), -1)
    last = np.concatenate(([-1], np.maximum.accumulate(index)[:-1]))
    base = np.maximum(last, 0)
    is_known = (last >= 0) & (sitting[base] == sitting)
    guess = np.where(is_known, np.minimum(leaves[base] + clock - clock[base], cap), UNKNOWN)
    arrives = np.where(arrives >= 0, arrives, guess)
    return arrives, np.where((leaves >= 0) | (kind == SEEK), leaves, arrives)


def _of_viewings(m: Moments, runtime: Ints, width: int) -> tuple[_Sittings, _Segments]:
    """Sittings from whole viewings told by an export, each a row, with the stretch that they show."""
    if len(m) == 0:
        return _no_sittings(), _no_segments()
    title_runtime = runtime[m.pair % width]
    played = np.rint(np.nan_to_num(np.maximum(m.watched, 0.0)) * 1000).astype(np.int64)
    has_watched, has_value = ~np.isnan(m.watched), ~np.isnan(m.value)
    share = np.clip(np.nan_to_num(m.value), 0.0, 1.0)
    from_value = has_value & (title_runtime > 0) & (m.position < 0)
    end = np.where(m.position >= 0, m.position, np.where(from_value, np.rint(share * title_runtime), played))
    end = end.astype(np.int64)
    start = np.where((m.position >= 0) & has_watched, np.maximum(end - played, 0), 0)
    cap = np.where(title_runtime > 0, title_runtime, np.iinfo(np.int64).max)
    start, end = np.minimum(start, cap), np.minimum(end, cap)
    is_placed = has_watched | from_value
    shown = is_placed & (end > start)
    zero = np.zeros(len(m), np.int64)
    sittings = _Sittings(
        m.pair,
        m.at,
        m.at + played * 1000,
        np.where(has_watched, played / 1000, np.nan),
        np.where(m.position >= 0, m.position / 1000, np.nan),
        np.where(has_value, np.rint(share * _MILLION).astype(np.int64), UNKNOWN),
        is_placed,
        zero,
        zero,
        zero,
        m.device,
        m.source,
    )
    return sittings, _Segments(np.flatnonzero(shown), start[shown], end[shown])


def _table(
    s: _Sittings, segments: _Segments, runtime: Ints, last_at: Ints, names: Names, catalogue: Catalogue
) -> Sessions:
    count = len(s.pair)
    width = max(len(names.titles), 1)
    member, title = s.pair // width, s.pair % width
    group = np.concatenate(([0], np.cumsum(s.pair[1:] != s.pair[:-1])))
    added = earliest_cover(group[segments.sitting], segments.start, segments.end, segments.sitting, count)
    seen = running_sum(added, group)
    completion = _completion(s, group, seen, runtime[title])
    is_completed = np.nan_to_num(completion) >= COMPLETED - 1e-9
    done_before = running_sum(is_completed.astype(np.int64), group) - is_completed > 0
    has_next = np.append(s.pair[1:] == s.pair[:-1], False)
    quiet = np.where(has_next, np.append(s.started[1:], 0), last_at[member]) - s.ended
    is_abandoned = (seen >= SAMPLE_MS) & (np.nan_to_num(completion, nan=1.0) < ABANDONED_BELOW)
    is_abandoned &= quiet >= ABANDONED_AFTER_US
    return Sessions.of(
        member=fixed_binary(np.array(names.members, "S16")[member]),
        title_id=_text(names.titles, title),
        started=pa.array(s.started).cast(TIME),
        ended=pa.array(s.ended).cast(TIME),
        watched_s=s.watched,
        furthest_s=s.furthest,
        completion=completion,
        pause_count=s.pause_count,
        rewind_count=s.rewind_count,
        skip_count=s.skip_count,
        is_completed=is_completed,
        is_abandoned=is_abandoned,
        is_rewatch=done_before,
        is_binge=_is_binge(s, member, title, names, catalogue),
        device_type=_text(names.devices, s.device),
        source=_text(names.sources, s.source),
    )


def _completion(s: _Sittings, group: Ints, seen: Ints, runtime: Ints) -> NDArray[np.float64]:
    """(n,) share seen so far: what was played or, where that is more, what an export says; NaN: unknown."""
    told = running_max(s.value + 1, group, _MILLION + 2) - 1
    is_placed = running_sum(s.is_placed.astype(np.int64), group) > 0
    played = np.where((runtime > 0) & is_placed, seen / np.maximum(runtime, 1), np.nan)
    return np.clip(np.fmax(played, np.where(told >= 0, told / _MILLION, np.nan)), 0.0, 1.0)


def _is_binge(s: _Sittings, member: Ints, title: Ints, names: Names, catalogue: Catalogue) -> Mask:
    """(n,) whether a sitting belongs to a run of BINGE_COUNT or more different episodes of one series."""
    found = [catalogue.get(t) for t in names.titles]
    of_title = pa.array(
        [f.series_id if f is not None and f.kind == "episode" else None for f in found], "string"
    )
    series = _series_codes(of_title)[title]
    is_dated = np.array([name in DATE_ONLY for name in names.sources] + [False])[s.source]
    long_enough = np.isnan(s.watched) | (s.watched * 1000 >= SAMPLE_MS)
    rows = np.flatnonzero((series >= 0) & long_enough & ~is_dated)
    is_binge = np.zeros(len(series), np.bool_)
    if len(rows) < BINGE_COUNT:
        return is_binge
    rows = rows[np.lexsort((s.ended[rows], s.started[rows], series[rows], member[rows]))]
    line = member[rows] * (series.max() + 1) + series[rows]
    line = np.concatenate(([0], np.cumsum(line[1:] != line[:-1])))
    low = int(s.started[rows].min())
    span = int(s.ended[rows].max()) - low + 1
    # Seconds, because microseconds times lines would leave int64.
    ended = running_max((s.ended[rows] - low) // _MILLION, line, span // _MILLION + 1)
    started = (s.started[rows] - low) // _MILLION
    breaks = (line[1:] != line[:-1]) | (started[1:] - ended[:-1] > BINGE_GAP_US // _MILLION)
    run = np.concatenate(([0], np.cumsum(breaks)))
    different = np.unique(run * len(names.titles) + title[rows]) // len(names.titles)
    is_binge[rows] = np.bincount(different, minlength=int(run[-1]) + 1)[run] >= BINGE_COUNT
    return is_binge


def _series_codes(of_title: pa.Array) -> Ints:
    indices = of_title.dictionary_encode().indices.fill_null(-1)
    return indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _text(names: list[str], codes: Ints) -> pa.Array:
    """The names behind codes; null for -1."""
    return pa.array(names, pa.string()).take(pa.array(codes, mask=codes < 0))


def _no_sittings() -> _Sittings:
    whole, real = np.empty(0, np.int64), np.empty(0, np.float64)
    flags = np.empty(0, np.bool_)
    return _Sittings(whole, whole, whole, real, real, whole, flags, whole, whole, whole, whole, whole)


def _no_segments() -> _Segments:
    none = np.empty(0, np.int64)
    return _Segments(none, none, none)
