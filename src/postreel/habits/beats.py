"""Beats in order: playback events as sorted arrays, each once, with what the player was doing at each.

Purpose History; used by `sessions`. Times are microseconds since 1970, positions milliseconds into the title,
both int64; UNKNOWN stands for a position that nobody told. docs/reference/habits.md defines every number here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.catalogue import Catalogue
from postreel.habits.arrays import SPAN, Ints, codes_of
from postreel.schema import Mask, Plays, ids_of

UNKNOWN = -1
GAP_US = 30 * 60 * 1_000_000
"""A sitting ends after this long without a beat."""
SPEED = 1.5
"""The fastest that a title is taken to be played; a position that ran further has jumped."""
SLACK_MS = 10_000
"""Milliseconds by which a position may differ from the clock without having jumped."""

BEATS = ("play", "heartbeat", "seek", "pause", "stop")
"""Kinds that a sitting is made of, in the order in which they are taken when their times are equal."""
PLAY, HEARTBEAT, SEEK, PAUSE, STOP = range(5)


@dataclass(frozen=True)
class Moments:
    """Columns of some events as arrays, sorted by member, title and time, each event once.

    Attributes:
        pair: (n,) number of the member and title, rising with both.
        at: (n,) microseconds.
        kind: (n,) index in BEATS; -1 for other kinds.
        position, leaves, lands: (n,) milliseconds or UNKNOWN: `position_s`, `from_s`, `to_s`.
        watched, value: (n,) float64, NaN for null.
        device, source: (n,) codes, -1 for null.
    """

    pair: Ints
    at: Ints
    kind: Ints
    position: Ints
    leaves: Ints
    lands: Ints
    watched: NDArray[np.float64]
    value: NDArray[np.float64]
    device: Ints
    source: Ints

    def __len__(self) -> int:
        return len(self.pair)

    def where(self, mask: Mask | Ints) -> Moments:
        """Those rows."""
        return Moments(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Names:
    """What the codes in `Moments` stand for."""

    members: list[bytes]
    titles: list[str]
    devices: list[str]
    sources: list[str]


def times_of(plays: Plays, name: str = "at") -> Ints:
    """(n,) a time column in microseconds since 1970; 0 for null."""
    return plays.table.column(name).cast("int64").fill_null(0).to_numpy()


def moments_of(plays: Plays) -> tuple[Moments, Moments, Ints, Names]:
    """The beats and the whole viewings (`watched`) among these events.

    Returns:
        Beats; viewings; the (m,) time of each member's last event of any kind; the names behind the codes.
    """
    table = plays.table
    member, members = codes_of(table.column("member"))
    title, titles = codes_of(table.column("title_id"))
    kind, kinds = codes_of(table.column("kind"))
    device, devices = codes_of(table.column("device_type"))
    source, sources = codes_of(table.column("source"))
    at = times_of(plays)
    last_at = np.full(len(members), np.iinfo(np.int64).min, np.int64)
    np.maximum.at(last_at, member, at)
    names = Names(members, titles, devices, sources)
    beat = np.array([BEATS.index(k) if k in BEATS else -1 for k in kinds] + [-1], np.int64)[kind]
    is_viewing = np.array([k == "watched" for k in kinds] + [False], np.bool_)[kind]
    every = Moments(
        member * max(len(titles), 1) + title,
        at,
        beat,
        _milliseconds(plays.column("position_s")),
        _milliseconds(plays.column("from_s")),
        _milliseconds(plays.column("to_s")),
        plays.column("watched_s"),
        plays.column("value"),
        device,
        source,
    )
    has_place = (title >= 0) & np.asarray(table.column("at").is_valid().to_numpy())
    chosen = np.flatnonzero(((beat >= 0) | is_viewing) & has_place)
    order = chosen[_order(every.where(chosen))]
    order = order[_is_first(plays, order, member[order])]
    some = every.where(order)
    some = some.where(_is_new(some))
    return some.where(some.kind >= 0), some.where(some.kind < 0), last_at, names


def runtimes_of(titles: list[str], catalogue: Catalogue) -> Ints:
    """(t,) running time of each title in milliseconds, UNKNOWN where the catalogue has none."""
    found = [catalogue.get(t) for t in titles]
    known = [(f.runtime_s or 0.0) if f else 0.0 for f in found]
    rounded = np.rint(np.array(known, np.float64) * 1000).astype(np.int64)
    return np.where(rounded > 0, rounded, UNKNOWN)


def _milliseconds(seconds: NDArray[Any]) -> Ints:
    clipped = np.clip(np.nan_to_num(seconds.astype(np.float64), nan=-1e-3), 0.0, (SPAN - 1) / 1000)
    return np.where(np.isnan(seconds), UNKNOWN, np.rint(clipped * 1000).astype(np.int64))


def _order(m: Moments) -> Ints:
    """By pair and time; the rest only makes the order the same whatever order the rows came in."""
    ties = (m.source, m.device, np.nan_to_num(m.value, nan=-1.0), np.nan_to_num(m.watched, nan=-1.0))
    plain = np.lexsort((m.position, m.kind, m.at, m.pair))
    same = _is_tied(m, plain)
    if not same.any():
        return plain
    return np.lexsort((*ties, m.lands, m.leaves, m.position, m.kind, m.at, m.pair))


def _is_tied(m: Moments, order: Ints) -> Mask:
    pair, at = m.pair[order], m.at[order]
    return (pair[1:] == pair[:-1]) & (at[1:] == at[:-1])


def _is_first(plays: Plays, order: Ints, member: Ints) -> Mask:
    """(k,) whether no earlier row, in this order, has the same member and event id."""
    ids = ids_of(plays.table.column("event_id")).view(np.uint64).reshape(-1, 2)[order]
    has_id = plays.table.column("event_id").is_valid().to_numpy()[order]
    key = ids[:, 0] ^ (ids[:, 1] * np.uint64(0x9E3779B97F4A7C15))
    rows = np.argsort(key, kind="stable")
    a, b = rows[:-1], rows[1:]
    again = (ids[a] == ids[b]).all(axis=1) & (member[a] == member[b]) & has_id[a] & has_id[b]
    first = np.ones(len(order), np.bool_)
    first[b[again]] = False
    return first


def _is_new(m: Moments) -> Mask:
    """(n,) whether a row differs from the one before it: the same beat without an id, sent twice, is one beat."""
    new = np.ones(len(m), np.bool_)
    same = np.ones(max(len(m) - 1, 0), np.bool_)
    for column in (m.pair, m.at, m.kind, m.position, m.leaves, m.lands):
        same &= column[1:] == column[:-1]
    for column in (m.watched, m.value):
        same &= (column[1:] == column[:-1]) | (np.isnan(column[1:]) & np.isnan(column[:-1]))
    new[1:] = ~same
    return new
