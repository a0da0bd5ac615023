"""What simulated viewers choose to watch, and when.

In windows of three days every viewer draws titles without replacement, with odds made of their tastes, each
title's standing, fashions that pass within days, and a share of mere curiosity. A serial is watched episode
by episode, several in a row where it pleases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from postreel.catalogue import Title
from postreel.demo.members import RHYTHMS, SimulatedMember
from postreel.demo.tastes import taste_shares

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_S = 86_400.0
WINDOW_DAYS = 3
CURIOUS_SHARE = 0.1
"""Part of the viewing that follows no taste."""
RUNNER_UP_COUNT = 3
_STANDING = 0.45
"""Spread of the log popularity that a title has with everybody, always."""
_SEEN_PENALTY = 4.5
_FASHIONS_PER_TITLE = 0.2
"""Fashions per title in 90 days."""
_FASHION_DAYS = (3.0, 7.0)
"""Spread of a fashion around its peak: most of it lasts four times as long."""
_FASHION_HEIGHT = (0.7, 1.7)
"""Log odds that a fashion adds at its peak."""


@dataclass(frozen=True)
class Choices:
    """One viewing intended a row, in the order chosen.

    Attributes:
        viewer: (n,) row in the list of viewers.
        title: (n,) row in the list of titles; an episode where the choice was a serial.
        start_s: (n,) seconds since the period's start, not yet free of overlaps.
        liking: (n,) how much it pleases, about mean 0 and spread 1.
        is_browsed: (n,) whether it was picked from a page (later episodes follow by themselves).
        passed_over: (n, RUNNER_UP_COUNT) titles shown beside it and not taken.
    """

    viewer: Ints
    title: Ints
    start_s: Floats
    liking: Floats
    is_browsed: NDArray[np.bool_]
    passed_over: Ints


@dataclass(frozen=True)
class World:
    """What holds for everybody: tastes, standing and fashions of the titles that can be chosen."""

    chosen_from: Ints  # rows in the list of titles: all but episodes
    shares: Floats  # (tastes, choosable)
    standing: Floats  # (choosable,) log
    quality: Floats  # (choosable,)
    fashion: Floats  # (windows, choosable) log
    is_open: NDArray[np.bool_]  # (windows, choosable) whether it can be watched


def world_of(titles: Sequence[Title], start: datetime, until: datetime, rng: np.random.Generator) -> World:
    """Draw standing, quality and fashions of every title that can be chosen."""
    chosen_from = np.array([i for i, t in enumerate(titles) if t.kind != "episode"], np.int64)
    choosable = [titles[i] for i in chosen_from]
    count = len(choosable)
    window_count = int(np.ceil((until - start) / timedelta(days=WINDOW_DAYS)))
    middle = (np.arange(window_count) + 0.5) * WINDOW_DAYS
    fashion = np.zeros((window_count, count))
    for _ in range(round(_FASHIONS_PER_TITLE * count * window_count * WINDOW_DAYS / 90)):
        title, peak = rng.integers(count), rng.uniform(0, window_count * WINDOW_DAYS)
        days, height = rng.uniform(*_FASHION_DAYS), rng.uniform(*_FASHION_HEIGHT)
        # Two fashions of one title do not add up, or one title would be all that anybody watches.
        swell = height * np.exp(-0.5 * ((middle - peak) / days) ** 2)
        fashion[:, title] = np.maximum(fashion[:, title], swell)
    opens = [start + timedelta(days=float(d)) for d in middle]
    minutes = np.array([45.0 if t.minutes is None else t.minutes for t in choosable])
    return World(
        chosen_from=chosen_from,
        shares=taste_shares(choosable, rng),
        # A long film needs a free evening.
        standing=_STANDING * rng.standard_normal(count) - 0.005 * np.maximum(minutes - 60.0, 0.0),
        quality=rng.standard_normal(count),
        fashion=fashion,
        is_open=np.array([[t.is_available(at, None) for t in choosable] for at in opens], np.bool_),
    )


def choices_of(
    viewers: Sequence[SimulatedMember],
    titles: Sequence[Title],
    start: datetime,
    until: datetime,
    world: World,
    rng: np.random.Generator,
) -> Choices:
    """Draw what everybody watches between start and until."""
    tastes = np.array([v.tastes for v in viewers])
    mixture = tastes @ world.shares
    odds = np.log((1 - CURIOUS_SHARE) * mixture + CURIOUS_SHARE / mixture.shape[1])
    liking = _standardised(np.log(mixture)) * 0.85 + 0.35 * world.quality
    ages = np.array([titles[i].maturity for i in world.chosen_from])
    odds[np.array([v.maturity for v in viewers])[:, None] < ages] = -np.inf
    odds += world.standing
    rate = np.array([v.viewings_90d for v in viewers]) * WINDOW_DAYS / 90
    fades = np.array([v.fades for v in viewers])
    clock = _Clock(viewers, start)
    seen = np.zeros(odds.shape, np.bool_)
    parts: list[tuple[Ints, Ints, Floats, Ints]] = []
    window_count = len(world.fashion)
    for window in range(window_count):
        score = odds + world.fashion[window] - _SEEN_PENALTY * seen
        score[:, ~world.is_open[window]] = -np.inf
        score += rng.gumbel(size=score.shape)
        pace = (
            rate * rng.gamma(2.0, 0.5, len(rate)) * np.where(fades & (2 * window > window_count), 0.15, 1.0)
        )
        begun_count = np.minimum(rng.poisson(pace), 9)
        ranked = _best(score, 9 + RUNNER_UP_COUNT)
        viewer = np.repeat(np.arange(len(viewers)), begun_count)
        place = np.arange(len(viewer)) - np.repeat(np.cumsum(begun_count) - begun_count, begun_count)
        title = ranked[viewer, place]
        seen[viewer, title] = True
        runner_up = begun_count[viewer][:, None] + np.arange(RUNNER_UP_COUNT)
        parts.append((viewer, title, clock.times(window, viewer, rng), ranked[viewer[:, None], runner_up]))
    viewer, title, start_s, passed_over = (np.concatenate(column) for column in zip(*parts, strict=True))
    pleased = liking[viewer, title] + 0.5 * rng.standard_normal(len(viewer))
    return _with_episodes(
        Choices(
            viewer,
            world.chosen_from[title],
            start_s,
            pleased,
            np.ones(len(viewer), np.bool_),
            world.chosen_from[passed_over],
        ),
        titles,
        rng,
    )


class _Clock:
    """Times of day by each viewer's rhythm, in their own time zone."""

    def __init__(self, viewers: Sequence[SimulatedMember], start: datetime) -> None:
        self.start = start
        self.rhythm = np.array([RHYTHMS.index(v.rhythm) for v in viewers])
        self.zones = sorted({v.timezone for v in viewers})
        self.zone = np.array([self.zones.index(v.timezone) for v in viewers])

    def times(self, window: int, viewer: Ints, rng: np.random.Generator) -> Floats:
        """(n,) seconds since the start, inside this window up to the time zone's shift."""
        first = self.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first += timedelta(days=window * WINDOW_DAYS)
        offset_s = np.array([_offset_s(zone, first) for zone in self.zones])
        slot = np.zeros(len(viewer))
        for rhythm in range(len(RHYTHMS)):
            mine = np.flatnonzero(self.rhythm[viewer] == rhythm)
            odds = np.concatenate([_hours(rhythm, (first.weekday() + d) % 7) for d in range(WINDOW_DAYS)])
            slot[mine] = np.searchsorted(np.cumsum(odds) / odds.sum(), rng.random(len(mine)))
        base_s = (first - self.start).total_seconds()
        return base_s + (slot + rng.random(len(viewer))) * 3600.0 - offset_s[self.zone[viewer]]


def _offset_s(zone: str, at: datetime) -> float:
    offset = ZoneInfo(zone).utcoffset(at.astimezone(ZoneInfo(zone)))
    return 0.0 if offset is None else offset.total_seconds()


def _hours(rhythm: int, weekday: int) -> Floats:
    """(24,) odds of starting a title in each hour of a weekday (0 is Monday)."""
    hour = np.arange(24.0)

    def around(peak: float, width: float) -> Floats:
        away = np.abs(hour - peak)
        return np.exp(-0.5 * (np.minimum(away, 24 - away) / width) ** 2)

    is_weekend = weekday >= 5
    odds = {
        "evenings": around(20, 1.8) + (0.35 * around(15, 2.5) if is_weekend else 0.05),
        "late nights": around(23.5, 1.6) + 0.2 * around(19, 2),
        "weekends": (3.0 if is_weekend else 0.4) * (around(20, 2.2) + 0.7 * around(15, 3)),
        "mornings": around(8, 1.6) + 0.4 * around(20, 2),
        "any hour": around(16, 5.0) + 0.15,
    }[RHYTHMS[rhythm]]
    return odds * (1.5 if is_weekend else 1.25 if weekday == 4 else 1.0) + 0.004


def _standardised(values: Floats) -> Floats:
    return (values - values.mean(1, keepdims=True)) / np.maximum(values.std(1, keepdims=True), 1e-9)


def _best(score: Floats, count: int) -> Ints:
    """(viewers, count) the best titles of each viewer, best first."""
    top = np.argpartition(-score, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(score, top, 1), axis=1)
    return np.take_along_axis(top, order, 1)


def _with_episodes(chosen: Choices, titles: Sequence[Title], rng: np.random.Generator) -> Choices:
    """Each serial replaced by the episodes watched of it: a binge of up to four an evening, for some evenings."""
    episodes: dict[int, list[int]] = {}
    row_of = {t.title_id: i for i, t in enumerate(titles)}
    for i, t in enumerate(titles):
        if t.series_id is not None:
            episodes.setdefault(row_of[t.series_id], []).append(i)
    is_serial = np.isin(chosen.title, np.array(list(episodes), np.int64))
    source: list[int] = []
    title: list[int] = []
    later_s: list[float] = []
    for row in np.flatnonzero(is_serial):
        going_on = 1 / (1 + np.exp(-(1.0 + chosen.liking[row])))
        day, tonight = 0, 0
        for episode in episodes[int(chosen.title[row])]:
            source.append(int(row))
            title.append(episode)
            later_s.append(day * DAY_S + tonight * 60.0)
            tonight += 1
            if rng.random() > going_on:
                break
            if tonight == 4 or rng.random() < 0.35:
                day, tonight = day + int(rng.integers(1, 4)), 0
    rows = np.concatenate([np.flatnonzero(~is_serial), np.array(source, np.int64)])
    plain_count = int(np.count_nonzero(~is_serial))
    start_s = chosen.start_s[rows]
    start_s[plain_count:] += np.array(later_s)
    titles_now = np.concatenate([chosen.title[~is_serial], np.array(title, np.int64)])
    is_browsed = np.ones(len(rows), np.bool_)
    is_browsed[plain_count:] = np.append(True, np.diff(rows[plain_count:]) != 0)[: len(source)]
    return Choices(
        chosen.viewer[rows], titles_now, start_s, chosen.liking[rows], is_browsed, chosen.passed_over[rows]
    )
