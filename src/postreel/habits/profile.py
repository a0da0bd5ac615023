"""One member's habits: hours, genres, devices, rhythm, attention, browsing and ratings.

Purpose History (a member looking at their own data, or an operator whom they can see looking); used by `postreel
habits`, the preference centre and the export. What is not known is None, never 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from postreel.catalogue import Catalogue, Title
from postreel.errors import InputError
from postreel.habits.sessions import BINGE_COUNT, BINGE_GAP_US, DATE_ONLY, sessions_of
from postreel.habits.tastes import tastes_of
from postreel.schema import Plays, Sessions, Tastes

TAKEN_WITHIN = timedelta(days=7)
"""An impression is taken when its title is played within this time."""

_Row = dict[str, Any]


@dataclass(frozen=True)
class Habits:
    """What is known of one member's viewing. `facts` of it is JSON.

    Attributes:
        sessions: sittings.
        watched_hours: of the sittings whose length is known; None where none is.
        unknown_length_count: sittings whose length nobody told.
        completion: mean over titles of the share seen, where known; None where unknown for all.
        titles: counts of titles: seen, completed, abandoned, rewatched.
        genres: `genre` and its `share` of the titles seen, greatest first; a title of several counts in parts.
        hours_of_day: (24,) sittings begun in each local hour, without those of which only the day is known.
        devices: `device_type` (None: unknown), `hours` (None: unknown) and `sessions`; most sittings first.
        rhythm: `weekday` (7 shares of sittings, Monday first), `sittings_per_week`, `longest_binge` in episodes,
            `first` and `last` in ISO 8601 with the member's zone.
        attention: `pauses_per_hour`, `rewinds_per_hour`, `skips_per_hour` (None where no player told any),
            `abandoned_share` of the titles seen.
        browsing: `impressions`, `taken_share` (played within a week; None without impressions), `searches`, `listed`.
        ratings: `count` and `mean` (None without ratings), the latest of each title.
        timezone: in which hours and days are told.
    """

    sessions: int
    watched_hours: float | None
    unknown_length_count: int
    completion: float | None
    titles: dict[str, int]
    genres: list[_Row]
    hours_of_day: list[int]
    devices: list[_Row]
    rhythm: _Row
    attention: _Row
    browsing: _Row
    ratings: _Row
    timezone: str = "UTC"

    def facts(self) -> dict[str, Any]:
        """As `habits --json` prints it."""
        return asdict(self)


def profile_of(plays: Plays, catalogue: Catalogue, timezone: str) -> Habits:
    """As `habits_of`, from events alone: the form that `Permitted.map` takes.

    Raises:
        InputError: events of several members, or no such time zone.
    """
    return habits_of(plays, sessions_of(plays, catalogue), tastes_of(plays, catalogue), catalogue, timezone)


def habits_of(
    plays: Plays, sessions: Sessions, tastes: Tastes, catalogue: Catalogue, timezone: str
) -> Habits:
    """The habits of one member.

    Args:
        plays, sessions, tastes: of this member only.
        catalogue: for genres and series.
        timezone: IANA.

    Raises:
        InputError: rows of several members, or no such time zone.
    """
    if len({m for rows in (plays, sessions, tastes) for m in rows.members.tolist()}) > 1:
        raise InputError("habits are told of one member; these rows are of several")
    zone = _zone(timezone)
    rows: list[_Row] = sessions.table.to_pylist()
    events: list[_Row] = plays.table.select(["at", "kind", "title_id", "value", "source"]).to_pylist()
    seen: list[_Row] = [t for t in tastes.table.to_pylist() if t["is_seen"]]
    last = {r["title_id"]: r for r in rows}
    known = [r["watched_s"] for r in rows if r["watched_s"] is not None]
    shares = [r["completion"] for r in last.values() if r["completion"] is not None]
    return Habits(
        sessions=len(rows),
        watched_hours=sum(known) / 3600 if known else None,
        unknown_length_count=len(rows) - len(known),
        completion=float(np.mean(shares)) if shares else None,
        titles={
            "seen": len(seen),
            "completed": sum(r["is_completed"] for r in last.values()),
            "abandoned": sum(r["is_abandoned"] for r in last.values()),
            "rewatched": len({r["title_id"] for r in rows if r["is_rewatch"]}),
        },
        genres=_genres(seen, catalogue),
        hours_of_day=_hours(rows, zone),
        devices=_devices(rows),
        rhythm=_rhythm(rows, catalogue, zone),
        attention=_attention(rows, events, last),
        browsing=_browsing(events, tastes),
        ratings=_ratings(events),
        timezone=timezone,
    )


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (LookupError, ValueError, OSError):
        raise InputError("there is no such time zone; expected something like Europe/Berlin") from None


def _genres(seen: list[_Row], catalogue: Catalogue) -> list[_Row]:
    parts: dict[str, float] = {}
    for taste in seen:
        genres = _genres_of(catalogue.get(taste["title_id"]), catalogue)
        for genre in genres:
            parts[genre] = parts.get(genre, 0.0) + 1 / len(genres)
    total = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"genre": genre, "share": part / total} for genre, part in ordered]


def _genres_of(title: Title | None, catalogue: Catalogue) -> tuple[str, ...]:
    """A title's genres; those of its series for an episode that has none."""
    if title is None or title.genres:
        return title.genres if title else ()
    series = catalogue.get(title.series_id) if title.series_id else None
    return series.genres if series else ()


def _hours(rows: list[_Row], zone: ZoneInfo) -> list[int]:
    hours = Counter(r["started"].astimezone(zone).hour for r in rows if r["source"] not in DATE_ONLY)
    return [hours[h] for h in range(24)]


def _devices(rows: list[_Row]) -> list[_Row]:
    kinds = Counter(r["device_type"] for r in rows)
    devices: list[_Row] = []
    for kind, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0] or "~")):
        known = [r["watched_s"] for r in rows if r["device_type"] == kind and r["watched_s"] is not None]
        devices.append(
            {"device_type": kind, "hours": sum(known) / 3600 if known else None, "sessions": count}
        )
    return devices


def _rhythm(rows: list[_Row], catalogue: Catalogue, zone: ZoneInfo) -> _Row:
    if not rows:
        return {
            "weekday": [0.0] * 7,
            "sittings_per_week": None,
            "longest_binge": 0,
            "first": None,
            "last": None,
        }
    # A day without an hour is a local day already; moving it into a zone could only spoil it.
    local = sorted(r["started"].astimezone(UTC if r["source"] in DATE_ONLY else zone) for r in rows)
    days = Counter(moment.weekday() for moment in local)
    weeks = max((local[-1] - local[0]).total_seconds() / (7 * 86400), 1.0)
    return {
        "weekday": [days[d] / len(rows) for d in range(7)],
        "sittings_per_week": len(rows) / weeks,
        "longest_binge": _longest_binge(rows, catalogue),
        "first": local[0].isoformat(timespec="seconds"),
        "last": local[-1].isoformat(timespec="seconds"),
    }


def _longest_binge(rows: list[_Row], catalogue: Catalogue) -> int:
    """Different episodes in the longest run of sittings that are part of a binge; 0 without one."""
    by_series: dict[str, list[_Row]] = {}
    for row in rows:
        title = catalogue.get(row["title_id"])
        if row["is_binge"] and title is not None and title.series_id:
            by_series.setdefault(title.series_id, []).append(row)
    longest = 0
    for run in by_series.values():
        episodes: set[str] = set()
        ended: datetime | None = None
        for row in sorted(run, key=lambda r: r["started"]):
            if ended is not None and row["started"] - ended > timedelta(microseconds=BINGE_GAP_US):
                episodes = set()
            episodes.add(row["title_id"])
            ended = row["ended"] if ended is None else max(ended, row["ended"])
            longest = max(longest, len(episodes))
    return longest if longest >= BINGE_COUNT else 0


def _attention(rows: list[_Row], events: list[_Row], last: dict[str, _Row]) -> _Row:
    # An export tells of viewings without their pauses: to count it in would make a patient viewer of everybody.
    exports = {e["source"] for e in events if e["kind"] == "watched"}
    told = [r for r in rows if r["source"] not in exports and r["watched_s"]]
    hours = sum(r["watched_s"] for r in told) / 3600

    def an_hour(name: str) -> float | None:
        return sum(r[name] for r in told) / hours if hours else None

    known = [r for r in last.values() if r["completion"] is not None]
    return {
        "pauses_per_hour": an_hour("pause_count"),
        "rewinds_per_hour": an_hour("rewind_count"),
        "skips_per_hour": an_hour("skip_count"),
        "abandoned_share": sum(r["is_abandoned"] for r in known) / len(known) if known else None,
    }


def _browsing(events: list[_Row], tastes: Tastes) -> _Row:
    impressions = [(e["title_id"], e["at"]) for e in events if e["kind"] == "impression"]
    plays: dict[str, list[datetime]] = {}
    for event in events:
        if event["kind"] in ("play", "watched"):
            plays.setdefault(event["title_id"], []).append(event["at"])
    taken = sum(
        any(at <= played <= at + TAKEN_WITHIN for played in plays.get(title, ())) for title, at in impressions
    )
    return {
        "impressions": len(impressions),
        "taken_share": taken / len(impressions) if impressions else None,
        "searches": sum(e["kind"] == "search" for e in events),
        "listed": tastes.table.column("evidence").to_pylist().count("listed"),
    }


def _ratings(events: list[_Row]) -> _Row:
    given = sorted((e["at"], e["title_id"], e["value"]) for e in events if e["kind"] == "rating")
    latest = {title: value for _, title, value in given}
    return {"count": len(latest), "mean": float(np.mean(list(latest.values()))) if latest else None}
