"""The players of simulated viewers: what they report to `POST /v1/events`, as bodies of NDJSON.

Around the beats of playback stand what people do before and after: pages looked at, searches, the list,
ratings. Then what networks do: about 1 event in 100 comes late, about 1 in 100 comes twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from postreel.catalogue import Title
from postreel.demo.beats import KINDS, Beats, Flags, Floats, Sittings, beats, joined, playback, sittings_of
from postreel.demo.choices import DAY_S, RUNNER_UP_COUNT, Choices, choices_of, world_of
from postreel.demo.films import film_catalogue
from postreel.demo.members import SimulatedMember
from postreel.errors import InputError

BATCH_EVENT_COUNT = 5000
_LATE_SHARE = 0.01
_TWICE_SHARE = 0.01
_SEARCH_SHARE = 0.07
_LISTED_SHARE = 0.1
# Steele, Lea and Flood 2014, the mixer of SplitMix64: a bijection, so running numbers stay distinct.
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def event_batches(
    members: Sequence[SimulatedMember],
    start: datetime,
    until: datetime,
    seed: int,
    titles: Sequence[Title] | None = None,
) -> Iterator[bytes]:
    """What the players of these viewers report of a period, roughly in the order in which it arrives.

    Args:
        members: as `simulated_members` made them, children included.
        start, until: aware UTC times; every event's own time lies between them, `until` outside.
        seed: the same arguments give the same bytes.
        titles: what can be watched, with episodes after their serials; the demo's films by default.

    Yields:
        Bodies of at most `BATCH_EVENT_COUNT` lines, each line one JSON object.

    Raises:
        InputError: the period is empty, a time has no zone, or there is no viewer.
    """
    if start.tzinfo is None or until.tzinfo is None or start >= until:
        raise InputError("a simulation needs two aware times, start before until")
    if not members:
        raise InputError("a simulation needs at least 1 viewer, got 0")
    catalogue = film_catalogue(until) if titles is None else list(titles)
    # Two generators: with more viewers the same titles stay in fashion.
    world = world_of(catalogue, start, until, np.random.default_rng([seed, 3]))
    rng = np.random.default_rng([seed, 4])
    chosen = choices_of(members, catalogue, start, until, world, rng)
    runtime_s = np.array([np.nan if t.runtime_s is None else t.runtime_s for t in catalogue])
    sittings = sittings_of(chosen, members, runtime_s, rng)
    played, start_s, end_s = playback(sittings, members, rng)
    around = [
        _ratings(chosen, sittings, end_s, members, rng),
        *_browsing(chosen, sittings, start_s, rng),
        *_lists(chosen, sittings, start_s, end_s, rng),
    ]
    told = joined([played, *around])
    told = told.rows((told.at_s >= 0) & (told.at_s < (until - start).total_seconds()))
    yield from _bodies(told, members, catalogue, start, rng)


def _ratings(
    chosen: Choices,
    sittings: Sittings,
    end_s: Floats,
    viewers: Sequence[SimulatedMember],
    rng: np.random.Generator,
) -> Beats:
    """Stars after some viewings: by habit, rather where it pleased or annoyed."""
    habit = np.array([v.rating_share for v in viewers])[sittings.viewer]
    liking = chosen.liking[sittings.choice]
    odds = habit * np.where(sittings.is_finished, 0.6 + 0.2 * np.abs(liking), 0.15)
    rated = np.flatnonzero(sittings.is_last & (rng.random(len(odds)) < odds))
    felt = 3.3 + 0.75 * liking[rated] - 1.2 * ~sittings.is_finished[rated] + rng.normal(0, 0.45, len(rated))
    return beats(
        "rating",
        sittings.viewer[rated],
        sittings.title[rated],
        sittings.device[rated],
        end_s[rated] + rng.uniform(3, 120, len(rated)),
        value=np.clip(np.round(felt * 2) / 2, 0.5, 5.0),
    )


def _browsing(chosen: Choices, sittings: Sittings, start_s: Floats, rng: np.random.Generator) -> list[Beats]:
    """Titles seen on a page before one is taken, some of them put on the list, and searches."""
    opened = np.flatnonzero(_is_first_sitting(sittings) & chosen.is_browsed[sittings.choice])
    viewer, device, begun = sittings.viewer[opened], sittings.device[opened], start_s[opened]
    taken = sittings.title[opened]
    parts: list[Beats] = []
    for place in range(RUNNER_UP_COUNT):
        shown = chosen.passed_over[sittings.choice[opened], place]
        # Half of what a page shows is meant for this viewer; the other half is what others watch.
        is_general = rng.random(len(shown)) < 0.5
        shown = np.where(is_general, rng.permutation(taken), shown)
        is_shown = rng.random(len(shown)) < 0.45
        at_s = begun - rng.uniform(8, 160, len(shown))
        is_listed = is_shown & ~is_general & (rng.random(len(shown)) < 0.05)
        for kind, rows, delay_s in (("impression", is_shown, 0.0), ("list_add", is_listed, 4.0)):
            parts.append(beats(kind, viewer[rows], shown[rows], device[rows], at_s[rows] + delay_s))
    has_seen = rng.random(len(opened)) < 0.5
    parts.append(
        beats("impression", viewer[has_seen], taken[has_seen], device[has_seen], begun[has_seen] - 5.0)
    )
    has_searched = ~has_seen & (rng.random(len(opened)) < 2 * _SEARCH_SHARE)
    parts.append(
        beats(
            "search",
            viewer[has_searched],
            taken[has_searched],
            device[has_searched],
            begun[has_searched] - 15.0,
        )
    )
    return parts


def _lists(
    chosen: Choices, sittings: Sittings, start_s: Floats, end_s: Floats, rng: np.random.Generator
) -> list[Beats]:
    """Titles put on the list days before they are watched, and most of them taken off after."""
    opened = np.flatnonzero(_is_first_sitting(sittings) & chosen.is_browsed[sittings.choice])
    listed = opened[rng.random(len(opened)) < _LISTED_SHARE]
    added_s = start_s[listed] - rng.uniform(0.2, 15, len(listed)) * DAY_S
    is_removed = sittings.is_finished[listed] & sittings.is_last[listed] & (rng.random(len(listed)) < 0.7)
    done = listed[is_removed & (added_s > 0)]
    return [
        beats("list_add", sittings.viewer[listed], sittings.title[listed], sittings.device[listed], added_s),
        beats(
            "list_remove",
            sittings.viewer[done],
            sittings.title[done],
            sittings.device[done],
            end_s[done] + 30,
        ),
    ]


def _is_first_sitting(sittings: Sittings) -> Flags:
    """(n,) sittings come first sittings before all resumed ones, each choice once."""
    is_first = np.zeros(len(sittings.choice), np.bool_)
    is_first[np.unique(sittings.choice, return_index=True)[1]] = True
    return is_first


def _bodies(
    told: Beats,
    viewers: Sequence[SimulatedMember],
    titles: Sequence[Title],
    start: datetime,
    rng: np.random.Generator,
) -> Iterator[bytes]:
    """Lines in order of arrival, some late, some twice."""
    count = len(told)
    lines = _lines(told, viewers, titles, start, rng)
    arrives_s = told.at_s + rng.uniform(0.0, 3.0, count)
    is_late = rng.random(count) < _LATE_SHARE
    arrives_s[is_late] += rng.uniform(600, 1.5 * DAY_S, int(is_late.sum()))
    twice = np.flatnonzero(rng.random(count) < _TWICE_SHARE)
    rows = np.concatenate([np.arange(count), twice])
    arrives_s = np.concatenate([arrives_s, arrives_s[twice] + rng.uniform(0.1, 1800, len(twice))])
    order = rows[np.argsort(arrives_s, kind="stable")].tolist()
    for at in range(0, len(order), BATCH_EVENT_COUNT):
        yield ("\n".join([lines[row] for row in order[at : at + BATCH_EVENT_COUNT]]) + "\n").encode()


def _lines(
    told: Beats,
    viewers: Sequence[SimulatedMember],
    titles: Sequence[Title],
    start: datetime,
    rng: np.random.Generator,
) -> list[str]:
    """One JSON object an event. Written by hand: half a million of them stand before the demo's first page."""
    who = [f'","member":"{v.alias}","type":"' for v in viewers]
    where = [
        [f'","device_type":"{kind}","device_id":"{ident}"' for kind, ident in v.devices] for v in viewers
    ]
    what = [f',"title":"{t.title_id}"' for t in titles]
    words = [_query(t, rng) for t in titles]
    ids = _event_ids(len(told), rng)
    epoch = np.datetime64(int(start.timestamp() * 1000), "ms")
    stamps = np.datetime_as_string(epoch + np.round(told.at_s * 1000).astype("timedelta64[ms]")).tolist()
    rows = zip(
        ids,
        stamps,
        told.kind.tolist(),
        told.viewer.tolist(),
        told.title.tolist(),
        told.device.tolist(),
        told.position_s.tolist(),
        told.from_s.tolist(),
        told.to_s.tolist(),
        told.value.tolist(),
        strict=True,
    )
    lines: list[str] = []
    for ident, stamp, kind, viewer, title, device, position_s, from_s, to_s, value in rows:
        name = KINDS[kind]
        head = f'{{"id":"{ident}{who[viewer]}{name}","at":"{stamp}Z{where[viewer][device]}'
        if name == "search":
            lines.append(f'{head},"query":{words[title]}}}')
        elif name == "rating":
            lines.append(f'{head}{what[title]},"rating":{value}}}')
        elif name == "seek":
            place = f'"position_s":{position_s:.1f},"from_s":{from_s:.1f},"to_s":{to_s:.1f}'
            lines.append(f"{head}{what[title]},{place}}}")
        elif position_s == position_s:
            lines.append(f'{head}{what[title]},"position_s":{position_s:.1f}}}')
        else:
            lines.append(f"{head}{what[title]}}}")
    return lines


def _query(title: Title, rng: np.random.Generator) -> str:
    """What somebody types who looks for this title, as JSON text."""
    words = [title.name.lower(), title.name.split(":")[0].lower(), *title.genres]
    words.extend(director.split()[-1].lower() for director in title.directors)
    return json.dumps(words[int(rng.integers(len(words)))], ensure_ascii=False)


def _event_ids(count: int, rng: np.random.Generator) -> list[str]:
    """Distinct ids that look like a player's: mixed running numbers from a drawn start."""
    number = np.arange(count, dtype=np.uint64) + np.uint64(rng.integers(0, 2**62))
    for shift, factor in _MIX:
        number = (number ^ (number >> np.uint64(shift))) * np.uint64(factor)
    number ^= number >> np.uint64(31)
    return [f"{n:016x}" for n in number.tolist()]
