"""From a viewing to the beats that a player reports: play, heartbeat, pause, seek, stop.

A sitting is cut at its interruptions into segments played without a break. A pause leaves the position as it
is, a rewind sets it back, a skip moves it on; between them the position advances with the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from postreel.demo.choices import DAY_S, Choices
from postreel.demo.members import SimulatedMember

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

HEARTBEAT_S = 300.0
KINDS = (
    "play",
    "pause",
    "seek",
    "stop",
    "heartbeat",
    "rating",
    "impression",
    "search",
    "list_add",
    "list_remove",
)
_GONE_WITHOUT_STOP = 0.04
_RESUMED_SHARE = 0.16


@dataclass(frozen=True)
class Beats:
    """Player events, one a row, in no order.

    Attributes:
        kind: (n,) row in KINDS.
        viewer, title: (n,) rows in the lists of viewers and titles.
        device: (n,) 0 for the main device, 1 for the second.
        at_s: (n,) seconds since the period's start.
        position_s, from_s, to_s: (n,) seconds into the title, NaN where the kind has none.
        value: (n,) rating from 0.5 to 5, NaN elsewhere.
    """

    kind: Ints
    viewer: Ints
    title: Ints
    device: Ints
    at_s: Floats
    position_s: Floats
    from_s: Floats
    to_s: Floats
    value: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def rows(self, index: NDArray[np.generic]) -> Beats:
        """The rows of this index or mask."""
        return Beats(*(getattr(self, f.name)[index] for f in fields(self)))


def beats(kind: str, viewer: Ints, title: Ints, device: Ints, at_s: Floats, **more: Floats) -> Beats:
    """Events of one kind; a column not given is NaN."""
    nothing = np.full(len(viewer), np.nan)
    columns = {name: more.get(name, nothing) for name in ("position_s", "from_s", "to_s", "value")}
    return Beats(np.full(len(viewer), KINDS.index(kind)), viewer, title, device, at_s, **columns)


def joined(parts: Sequence[Beats]) -> Beats:
    """All rows of all parts."""
    return Beats(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Beats)))


@dataclass(frozen=True)
class Sittings:
    """One sitting a row: `choice` is the row in Choices, positions are seconds into the title."""

    choice: Ints
    viewer: Ints
    title: Ints
    device: Ints
    start_s: Floats
    from_s: Floats
    to_s: Floats
    is_last: Flags
    is_finished: Flags

    def rows(self, index: NDArray[np.generic]) -> Sittings:
        """The rows of this index or mask."""
        return Sittings(*(getattr(self, f.name)[index] for f in fields(self)))


def sittings_of(
    chosen: Choices, viewers: Sequence[SimulatedMember], runtime_s: Floats, rng: np.random.Generator
) -> Sittings:
    """How far each viewing gets, and in how many sittings.

    Args:
        chosen: n viewings.
        viewers: as the viewings index them.
        runtime_s: (titles,) seconds; NaN for a serial, which is never watched as such.
        rng: draws are made in one order, so equal seeds give equal sittings.
    """
    count = len(chosen.viewer)
    length_s = runtime_s[chosen.title]
    patience = np.array([v.patience for v in viewers])[chosen.viewer]
    drive = 0.45 + 1.0 * chosen.liking + patience + 0.6 * (length_s < 900) - 0.35 * (length_s > 6600)
    is_finished = rng.random(count) < 1 / (1 + np.exp(-drive))
    share = np.where(is_finished, rng.uniform(0.93, 1.0, count), 0.85 * rng.beta(1.1, 2.2, count))
    end_s = np.clip(np.round(share * length_s), 5.0, length_s)
    is_resumed = (length_s > 2400) & (share > 0.4) & (rng.random(count) < _RESUMED_SHARE)
    break_s = np.where(is_resumed, np.round(end_s * rng.uniform(0.25, 0.75, count)), end_s)
    device = (rng.random(count) < 0.22).astype(np.int64)
    rows = np.arange(count)
    first = Sittings(
        rows,
        chosen.viewer,
        chosen.title,
        device,
        chosen.start_s,
        np.zeros(count),
        break_s,
        ~is_resumed,
        is_finished,
    )
    again = np.flatnonzero(is_resumed)
    # People rewind a little when they come back, and often on the other device.
    second = first.rows(again)
    other = np.where(rng.random(len(again)) < 0.4, 1 - second.device, second.device)
    next_day_s = second.start_s + DAY_S + rng.normal(0, 4500, len(again))
    from_s = np.maximum(break_s[again] - np.round(rng.uniform(0, 20, len(again))), 0.0)
    resumed = Sittings(
        again,
        second.viewer,
        second.title,
        other,
        next_day_s,
        from_s,
        end_s[again],
        np.ones(len(again), np.bool_),
        is_finished[again],
    )
    return Sittings(
        *(np.concatenate([getattr(first, f.name), getattr(resumed, f.name)]) for f in fields(Sittings))
    )


def playback(
    sittings: Sittings, viewers: Sequence[SimulatedMember], rng: np.random.Generator
) -> tuple[Beats, Floats, Floats]:
    """The beats of these sittings, made free of overlaps, with when each sitting began and ended.

    Returns:
        the beats; (n,) start_s and (n,) end_s of each sitting, in seconds since the period's start.
    """
    count = len(sittings.viewer)
    restless = np.array([v.restlessness for v in viewers])[sittings.viewer]
    hours = (sittings.to_s - sittings.from_s) / 3600.0
    break_count = np.minimum(rng.poisson(restless * (0.15 + 0.9 * hours)), 9)
    owner = np.repeat(np.arange(count), break_count)
    share = rng.random(len(owner))
    share = share[np.lexsort((share, owner))]
    left_s = np.round(sittings.from_s[owner] + share * (sittings.to_s - sittings.from_s)[owner], 1)
    # Row of each sitting's first segment; every interruption begins one more.
    segment_count = break_count + 1
    first = np.cumsum(segment_count) - segment_count
    last = first + break_count
    is_first = np.zeros(int(segment_count.sum()), np.bool_)
    is_first[first] = True
    is_last = np.zeros_like(is_first)
    is_last[last] = True
    of = np.repeat(np.arange(count), segment_count)
    to_s = np.empty(len(of))
    to_s[~is_last], to_s[is_last] = left_s, sittings.to_s
    sort = rng.choice(3, len(owner), p=(0.55, 0.25, 0.2))
    rewound = np.maximum(left_s - np.round(rng.uniform(8, 90, len(owner)), 1), 0.0)
    skipped = np.minimum(left_s + np.round(rng.uniform(10, 240, len(owner)), 1), to_s[~is_first])
    landed_s = np.choose(sort, (left_s, rewound, skipped))
    gap_s = np.where(sort == 0, np.clip(rng.lognormal(4.4, 1.1, len(owner)), 4, 1500), 1.5)
    from_s = np.empty(len(of))
    from_s[is_first], from_s[~is_first] = sittings.from_s, landed_s
    before_s = np.zeros(len(of))
    before_s[~is_first] = gap_s

    played_s = to_s - from_s
    wall = _running(played_s + before_s, first, segment_count)
    total_s = wall[last]
    start_s = _without_overlap(sittings.viewer, sittings.start_s, total_s + 20.0)
    begins_s = start_s[of] + wall - played_s
    ends_s = start_s[of] + wall

    def told(kind: str, of_sitting: Ints, at_s: Floats, **more: Floats) -> Beats:
        return beats(
            kind,
            sittings.viewer[of_sitting],
            sittings.title[of_sitting],
            sittings.device[of_sitting],
            at_s,
            **more,
        )

    all_rows = np.arange(count)
    is_pause, is_seek = sort == 0, sort > 0
    stopped = np.flatnonzero(rng.random(count) >= _GONE_WITHOUT_STOP)
    left_at, back_at = ends_s[~is_last], begins_s[~is_first]
    parts = [
        told("play", all_rows, start_s, position_s=sittings.from_s),
        told("stop", stopped, ends_s[last][stopped], position_s=sittings.to_s[stopped]),
        told("pause", owner[is_pause], left_at[is_pause], position_s=left_s[is_pause]),
        told("play", owner[is_pause], back_at[is_pause], position_s=left_s[is_pause]),
        told(
            "seek",
            owner[is_seek],
            left_at[is_seek] + 1.0,
            position_s=landed_s[is_seek],
            from_s=left_s[is_seek],
            to_s=landed_s[is_seek],
        ),
        _heartbeats(told, of, played_s, from_s, begins_s, first, segment_count),
    ]
    return joined(parts), start_s, start_s + total_s


def _heartbeats(
    told: Callable[..., Beats],
    of: Ints,
    played_s: Floats,
    from_s: Floats,
    begins_s: Floats,
    first: Ints,
    per_sitting: Ints,
) -> Beats:
    """One beat every HEARTBEAT_S seconds of play, pauses not counted."""
    # Lengths are tenths of a second; without rounding, a zero that came out below zero would beat once more.
    after = np.round(_running(played_s, first, per_sitting), 1)
    before = np.round(after - played_s, 1)
    beat_count = (np.floor(after / HEARTBEAT_S) - np.floor(before / HEARTBEAT_S)).astype(np.int64)
    segment = np.repeat(np.arange(len(of)), beat_count)
    turn = np.arange(len(segment)) - np.repeat(np.cumsum(beat_count) - beat_count, beat_count)
    into_s = (np.floor(before[segment] / HEARTBEAT_S) + 1 + turn) * HEARTBEAT_S - before[segment]
    return told("heartbeat", of[segment], begins_s[segment] + into_s, position_s=from_s[segment] + into_s)


def _running(values: Floats, first: Ints, per_group: Ints) -> Floats:
    """Running sum within each group of rows, each row included."""
    total = np.cumsum(values)
    return total - np.repeat(total[first] - values[first], per_group)


def _without_overlap(viewer: Ints, start_s: Floats, lasts_s: Floats) -> Floats:
    """Starts put off until the same viewer's sitting before is over, in order of starting."""
    order = np.lexsort((start_s, viewer))
    who, begin, last = viewer[order], start_s[order], lasts_s[order]
    done = np.cumsum(last) - last
    # Free time before each sitting never shrinks; a step between viewers larger than any of it keeps them apart.
    apart = who * (np.abs(begin).max(initial=0.0) + done.max(initial=0.0) + 1.0) * 2.0
    free = np.maximum.accumulate(begin - done + apart) - apart
    put_off = np.empty_like(start_s)
    put_off[order] = free + done
    return put_off
